"""The deployment in deploy/k8s keeps its rules, and each rule finds a planted mistake."""

import copy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chassis.nats_settings import SUBJECTS
from deploy.local import authority
from deploy.local.nats_users import HOUSE, configuration, users
from tests.architecture.k8s_mistakes import PLANTED
from tools.k8s import edges, secrets
from tools.k8s.render import ROOT, overlays, render

K8S = ROOT / "deploy/k8s"


def faults_of(objects: Sequence[Mapping[str, Any]], *, overlay: str) -> list[str]:
    """List what `make k8s-check` finds. Its schemas take seconds to import."""
    import tools.k8s.__main__ as checks

    return checks.faults_of(objects, overlay=overlay)


@pytest.fixture(scope="module", name="rendered")
def every_overlay() -> Mapping[str, list[dict[str, Any]]]:
    """Every overlay, rendered once."""
    return {overlay: [dict(one) for one in render(overlay)] for overlay in overlays()}


@pytest.mark.parametrize("overlay", ["dev", "prod", "staging"])
def test_overlay_is_valid_and_keeps_the_rules(
    overlay: str, rendered: Mapping[str, list[dict[str, Any]]]
) -> None:
    assert faults_of(list(rendered[overlay]), overlay=overlay) == []


def test_every_overlay_is_tested() -> None:
    assert overlays() == ["dev", "prod", "staging"]


def test_no_file_holds_a_secret() -> None:
    assert list(secrets.in_files(K8S)) == []


def test_the_graph_is_read_from_the_architecture() -> None:
    calls = edges.calls()

    assert calls["orders"] == ["ledger", "escrow", "disputes"]
    assert [calls[name] for name in ("ledger", "escrow", "disputes", "webhooks")] == [[]] * 4
    assert sorted(calls["gateway"]) == ["disputes", "escrow", "ledger", "orders", "webhooks"]


@pytest.mark.parametrize("server", ["nats-cluster", "nats-single"])
def test_the_users_of_nats_are_those_of_the_stack(server: str) -> None:
    written = (K8S / f"components/{server}/users.conf").read_text()
    passwords = {name: f"$NATS_{name.upper()}" for name in HOUSE}

    assert written.partition("\n")[2] == configuration(users(passwords, readers={}))
    assert all(subject in written for subject in SUBJECTS)


@pytest.mark.parametrize("server", ["nats-cluster", "nats-single"])
def test_nats_takes_its_configuration(server: str, tmp_path: Path) -> None:
    given = {f"NATS_{name.upper()}": "word" for name in HOUSE}
    authority.keep(tmp_path)
    own = authority.files(tmp_path, "nats")
    given |= {
        "TLS_CERT_FILE": str(own.certificate),
        "TLS_KEY_FILE": str(own.key),
        "TLS_CA_FILE": str(own.authority),
    }
    done = subprocess.run(
        [str(Path(sys.executable).parent / "nats-server"), "-t", "-c", "nats.conf"],
        cwd=K8S / f"components/{server}",
        env={**given, "SERVER_NAME": "nats-0"},
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_mistake_is_found(
    what: str, rendered: Mapping[str, list[dict[str, Any]]]
) -> None:
    kind, name, change, said = PLANTED[what]
    documents = list(rendered["prod"])
    # Names of settings end with a hash.
    [place] = [
        number
        for number, one in enumerate(documents)
        if one["kind"] == kind
        and (one["metadata"]["name"] == name or one["metadata"]["name"].startswith(f"{name}-"))
        and (kind == "ConfigMap" or one["metadata"]["name"] == name)
    ]
    documents[place] = copy.deepcopy(documents[place])
    change(documents[place])

    found = faults_of(documents, overlay="prod")

    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN EC PRIVATE KEY-----",
        "seed: SBCVMMCBEDB64TVJZFYJOJAERZC4YVVUOE6SYR2Y76CBTENGUSGWRRVO",
        "key: ohk_0123456789abcdef0123456789",
        "DATABASE_URL=postgresql://ledger:hunter2@postgres-rw:5432/orchestrator",
        "token: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x",
        "vault: hvs.CAESIJ0123456789abcdef",
    ],
)
def test_a_secret_in_a_file_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.env").write_text(f"# a setting\n{text}\n")

    [found] = secrets.in_files(tmp_path)

    assert "looks like" in found


def test_secret_of_the_development_cluster_is_marked_as_not_secret() -> None:
    secret = {
        "kind": "Secret",
        "metadata": {"name": "nats-users"},
        "stringData": {"NATS_ADMIN": "hunter2"},
    }
    documents = [*render("dev"), {**secret, "apiVersion": "v1", "type": "Opaque"}]

    found = faults_of(documents, overlay="dev")

    assert found == ["Secret/nats-users: NATS_ADMIN does not say dev-only"]
