"""Each program gets all its required settings, and no settings of other programs."""

import importlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pydantic

from chassis import setting_names
from deploy.local import environment
from deploy.local.authority import Authority
from deploy.operator.settings import READS as OPERATOR_READS
from tools.k8s.render import Document, Objects, name, title

# Optional for an operator's command, which checks less without them.
TLS = frozenset({"NATS_CA_FILE", "TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE"})
WITHOUT = TLS | {
    "IDENTITY_KEY",
    "OPERATOR",
    "RUN_DIR",
    "STELLAR_RPC_URL",
    "STELLAR_NETWORK_PASSPHRASE",
}
CLASSES = {
    "orders": ("services.orders.settings", "OrdersSettings"),
    "ledger": ("services.ledger.settings", "LedgerSettings"),
    "escrow": ("services.escrow.settings", "EscrowSettings"),
    "disputes": ("services.disputes.settings", "DisputesSettings"),
    "webhooks": ("services.webhooks.settings", "WebhooksSettings"),
    "gateway": ("gateway.settings", "GatewaySettings"),
}
READS = {**environment.READS, "operator": OPERATOR_READS}
# Required settings of programs that have no settings class.
NEEDED = {"migrations": frozenset({"DATABASE_URL"}), "operator": OPERATOR_READS - WITHOUT}
# Sample secrets by setting; the default is a long word.
SAMPLES = {
    "EVENT_SIGNING_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "ESCROW_EVENT_KEYS": "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=",
    "JWT_ISSUERS": "[]",
}
SAMPLE = "0123456789abcdef" * 3
# Sample contents of files that a program reads from a volume at its start.
_SAMPLE_AUTHORITY, _ = Authority.new()
_SAMPLE_PAIR = _SAMPLE_AUTHORITY.issue("sample")
FILES = {
    "TLS_CERT_FILE": _SAMPLE_PAIR.certificate,
    "TLS_KEY_FILE": _SAMPLE_PAIR.key,
    "TLS_CA_FILE": _SAMPLE_AUTHORITY.certificate,
    "NATS_CA_FILE": _SAMPLE_AUTHORITY.certificate,
    "IDENTITY_KEY_FILE": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "TRUST_FILE": '{"callers": {}}',
}
# The keys in a certificate's Secret.
CERTIFIED = frozenset({"tls.crt", "tls.key", "ca.crt"})
_USED = re.compile(r"\$\(([A-Z_]+)\)")


def faults(objects: Objects) -> Iterator[str]:
    """List settings that are unknown, missing, given twice or wrong."""
    there = {name(workload): workload for workload in objects.workloads()}
    for program in (*CLASSES, *NEEDED):
        if program not in there:
            yield f"{program} is not deployed"
    for program, workload in there.items():
        if program in READS:
            yield from _program(program, workload, objects)


def _program(program: str, workload: Document, objects: Objects) -> Iterator[str]:
    where, given = title(workload), dict[str, str]()
    maps = {name(one): one.get("data", {}) for one in objects.of("ConfigMap")}
    for container in workload["spec"]["template"]["spec"]["containers"]:
        entries = [
            *(item for source in container.get("envFrom", []) for item in _from(source, maps)),
            *((entry["name"], _value(entry)) for entry in container.get("env", [])),
        ]
        for setting, value in entries:
            if setting in given:
                yield f"{where}: {setting} is given twice"
            given[setting] = value
    used = {found for value in given.values() for found in _USED.findall(value)}
    for setting in sorted(given.keys() - READS[program] - used):
        yield f"{where}: {setting} is not a setting of this program"
    for missing in sorted(used - given.keys()):
        yield f"{where}: $({missing}) is undefined"
    expanded = {
        setting: _USED.sub(lambda found: given.get(found[1], ""), value)
        for setting, value in given.items()
    }
    slip = setting_names.unknown(given, programs=(program,), known=READS[program])
    if slip is not None and slip.name in used:
        yield f"{where}: {slip.name} looks like a misspelt setting, and stops the start"
    with tempfile.TemporaryDirectory() as folder:
        for setting in sorted(FILES.keys() & expanded.keys()):
            text = _mounted(expanded[setting], setting, workload, objects)
            if text is None:
                yield f"{where}: {setting} is {expanded[setting]}, which is on no volume"
            path = Path(folder) / setting
            path.write_text(text or FILES[setting])
            expanded[setting] = str(path)
        yield from _refused(program, expanded, where=where)


def _mounted(path: str, setting: str, workload: Document, objects: Objects) -> str | None:
    """Return the content of a file on a volume, or a sample of a secret. None: no such file."""
    at = PurePosixPath(path)
    certified = {one["spec"]["secretName"] for one in objects.of("Certificate")}
    pod = workload["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        for mount in container.get("volumeMounts", []):
            if PurePosixPath(mount["mountPath"]) != at.parent:
                continue
            volume = volumes.get(mount["name"], {})
            if "secret" in volume:
                is_certificate = volume["secret"]["secretName"] in certified
                return FILES[setting] if not is_certificate or at.name in CERTIFIED else None
            if "configMap" in volume:
                maps = {name(one): one.get("data", {}) for one in objects.of("ConfigMap")}
                text: str | None = maps.get(volume["configMap"]["name"], {}).get(at.name)
                return text
    return None


def _from(source: Mapping[str, Any], maps: Mapping[str, Mapping[str, str]]) -> Iterator[Any]:
    if "configMapRef" in source:
        yield from maps.get(source["configMapRef"]["name"], {}).items()
    else:
        yield str(source), ""


def _value(entry: Mapping[str, Any]) -> str:
    return str(entry.get("value", SAMPLES.get(entry["name"], SAMPLE)))


def _refused(program: str, given: Mapping[str, str], *, where: str) -> Iterator[str]:
    """Read the settings as the program does at its start; list what is missing or wrong."""
    for missing in sorted(NEEDED.get(program, frozenset()) - given.keys()):
        yield f"{where}: {missing} is missing"
    if program not in CLASSES:
        return
    module, of = CLASSES[program]
    settings = getattr(importlib.import_module(module), of)
    # Checked here, because the class would find the settings in this process's environment.
    required = {field for field, one in settings.model_fields.items() if one.is_required()}
    for missing in sorted(field.upper() for field in required if field.upper() not in given):
        yield f"{where}: {missing} is missing"
    known = {
        field: given[field.upper()] for field in settings.model_fields if field.upper() in given
    }
    try:
        settings.model_validate(known)
    except pydantic.ValidationError as error:
        for one in error.errors():
            setting = "_".join(map(str, one["loc"])).upper()
            if one["type"] != "missing":
                yield f"{where}: {setting} {one['msg']}".replace("  ", " ")
