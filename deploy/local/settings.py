"""Settings of the local stack, read from the environment once. Programs inherit other variables."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from chassis import addresses, postgres_settings
from chassis.nats_settings import StreamLimits, parse
from chassis.settings import StreamSettings
from chassis.settings import load as load_settings
from chassis.settings import refuse_unknown as refuse_unknown_settings
from deploy.local.environment import READS

# gRPC's fork handlers break a child between fork and exec, and the stack probes its parts over
# gRPC. gRPC reads this variable when it is imported, so this module must be imported first.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT_BASE = 8080
# The longest pause before a part is restarted, in seconds.
DEFAULT_RESTART_PAUSE = "10"
DEFAULT_LOG_MEGABYTES = "50"
MEGABYTE = 1024**2
# The stack's own settings. All other settings belong to its programs.
OWN = frozenset(
    {
        "RUN_DIR",
        "PORT_BASE",
        "LINKS",
        "RESTART_PAUSE_SECONDS",
        "LOG_MEGABYTES_MAX",
        "POSTGRES_FSYNC",
        "FORK_PROGRAMS",
    }
)
# Ports are assigned in this order, from PORT_BASE on.
PORTS = (
    "gateway",
    "orders",
    "ledger",
    "escrow",
    "disputes",
    "devnet",
    "postgres",
    "nats",
    "monitor",
    "orders-health",
    "ledger-health",
    "escrow-health",
    "disputes-health",
    "gateway-metrics",
    "orders-metrics",
    "ledger-metrics",
    "escrow-metrics",
    "disputes-metrics",
    "webhooks",
    "webhooks-health",
    "webhooks-metrics",
)
_LINK = re.compile(r"([a-z]+)>([a-z]+)=((\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5})")
_PAUSE = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSettings:
    """Where a stack runs, and which of its parts run elsewhere.

    database_url: of an administrator that may create schemas and roles. Empty URL: the part is
    embedded. links: the address (`host:port`) at which one part reaches another, if it is not the
    other part's own address but that of a proxy between them. restart_pause_seconds: the longest
    pause before a part that ended is restarted. log_bytes: larger logs are rotated. has_fsync: the
    embedded PostgreSQL waits for the disk, so a crash of the machine loses no data. has_forks:
    programs are forked (`forked.py`).
    """

    run_dir: Path
    port_base: int
    database_url: str
    nats_url: str
    stellar_rpc_url: str
    environment: Mapping[str, str]
    stream_limits: StreamLimits = StreamLimits()  # noqa: RUF009 - frozen
    links: Mapping[tuple[str, str], str] = field(default_factory=dict)
    restart_pause_seconds: float = float(DEFAULT_RESTART_PAUSE)
    log_bytes: int = int(DEFAULT_LOG_MEGABYTES) * MEGABYTE
    has_fsync: bool = True
    has_forks: bool = True

    def port(self, part: str) -> int:
        """Return the port of a part. part: one of PORTS."""
        return self.port_base + PORTS.index(part)


def load() -> StackSettings:
    """Read the settings. A wrong setting ends the program: exit code 2, one line that names it."""
    return read(child_environment())


def read(environment: Mapping[str, str]) -> StackSettings:
    """Read the settings of a stack with the given environment; ends the program as `load` does."""
    base = environment.get("PORT_BASE", str(DEFAULT_PORT_BASE))
    if not re.fullmatch(r"[0-9]{1,5}", base) or not 1 <= int(base) <= 65535 - len(PORTS):
        refuse("PORT_BASE", f"must be a port number from 1 to {65535 - len(PORTS)}")
    database_url = environment.get("DATABASE_URL", "")
    nats_url = environment.get("NATS_URL", "")
    stellar_rpc_url = environment.get("STELLAR_RPC_URL", "")
    _require("DATABASE_URL", database_url, postgres_settings.checked)
    _require("NATS_URL", nats_url, parse)
    _require("STELLAR_RPC_URL", stellar_rpc_url, addresses.http_url)
    return StackSettings(
        run_dir=Path(environment.get("RUN_DIR") or ROOT / ".run").resolve(),
        port_base=int(base),
        database_url=database_url,
        nats_url=nats_url,
        stellar_rpc_url=stellar_rpc_url,
        environment=environment,
        stream_limits=load_settings(StreamSettings, program="stack").stream_limits,
        links=_links(environment.get("LINKS", "")),
        restart_pause_seconds=_pause(environment),
        log_bytes=_megabytes(environment) * MEGABYTE,
        has_fsync=_switch(environment, "POSTGRES_FSYNC", default="on"),
        has_forks=_switch(environment, "FORK_PROGRAMS", default="on"),
    )


def refuse_unknown() -> None:
    """End the program if the environment has a name that resembles a setting but is unknown."""
    of_programs = frozenset[str]().union(*READS.values())
    programs = (*READS, "stack")
    refuse_unknown_settings("stack", programs=programs, known=OWN | of_programs)


def _require(setting: str, value: str, check: Callable[[str], object]) -> None:
    """End the program if a setting is given and the check fails."""
    if value:
        try:
            check(value)
        except ValueError as error:
            refuse(setting, str(error))


def _links(text: str) -> dict[tuple[str, str], str]:
    links: dict[tuple[str, str], str] = {}
    for item in filter(None, text.split(",")):
        found = _LINK.fullmatch(item)
        if found is None or found[1] == found[2] or not {found[1], found[2]} <= set(PORTS):
            refuse("LINKS", "must be a list of part>part=host:port")
        _require("LINKS", found[3], addresses.target)
        links[found[1], found[2]] = found[3]
    return links


def _pause(environment: Mapping[str, str]) -> float:
    text = environment.get("RESTART_PAUSE_SECONDS", DEFAULT_RESTART_PAUSE)
    if not _PAUSE.fullmatch(text) or float(text) == 0:
        refuse("RESTART_PAUSE_SECONDS", "must be seconds between 0.001 and 9999")
    return float(text)


def _megabytes(environment: Mapping[str, str]) -> int:
    text = environment.get("LOG_MEGABYTES_MAX", DEFAULT_LOG_MEGABYTES)
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text):
        refuse("LOG_MEGABYTES_MAX", "must be a whole number of megabytes from 1 to 99999")
    return int(text)


def _switch(environment: Mapping[str, str], name: str, *, default: str) -> bool:
    text = environment.get(name, default)
    if text not in {"on", "off"}:
        refuse(name, "must be on or off")
    return text == "on"


def child_environment(**overrides: str) -> dict[str, str]:
    """Return the environment for a child process that runs the project's code."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "gen")))
    return {**os.environ, "PYTHONPATH": path, **overrides}


def replace_environment(environment: Mapping[str, str]) -> None:
    """Replace the environment of this forked process."""
    os.environ.clear()
    os.environ.update(environment)


@contextlib.contextmanager
def environment_of(names: Collection[str]) -> Iterator[None]:
    """During a block, keep only these variables in the environment of this process."""
    whole = dict(os.environ)
    replace_environment({name: whole[name] for name in names if name in whole})
    try:
        yield
    finally:
        replace_environment(whole)


def refuse(setting: str, reason: str) -> NoReturn:
    """End the program with one line that names the wrong setting, and exit code 2."""
    sys.stderr.write(f"stack: setting {setting}: {reason}\n")
    raise SystemExit(2)
