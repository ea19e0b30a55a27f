"""The deployment in deploy/k8s holds to its rules, and each rule bites."""

import copy
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from chassis.bus import SUBJECTS
from deploy.local import authority
from deploy.local.nats_users import HOUSE, configuration, users
from tools.k8s import edges, secrets
from tools.k8s.__main__ import faults_of
from tools.k8s.render import ROOT, overlays, render

K8S = ROOT / "deploy/k8s"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module", name="rendered")
def every_overlay() -> Mapping[str, list[dict[str, Any]]]:
    """Every overlay, rendered once."""
    return {overlay: [dict(one) for one in render(overlay)] for overlay in overlays()}


@pytest.mark.parametrize("overlay", ["dev", "prod", "staging"])
def test_an_overlay_is_valid_and_holds_to_the_rules(
    overlay: str, rendered: Mapping[str, list[dict[str, Any]]]
) -> None:
    assert faults_of(list(rendered[overlay]), overlay=overlay) == []


def test_these_are_all_overlays() -> None:
    assert overlays() == ["dev", "prod", "staging"]


def test_no_file_holds_a_secret() -> None:
    assert list(secrets.in_files(K8S)) == []


def test_the_graph_is_read_from_the_architecture() -> None:
    calls = edges.calls()

    assert calls["orders"] == ["ledger", "escrow", "disputes"]
    assert (calls["ledger"], calls["escrow"], calls["disputes"]) == ([], [], [])
    assert sorted(calls["gateway"]) == ["disputes", "escrow", "ledger", "orders"]


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


def main(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the container of a workload."""
    container: dict[str, Any] = workload["spec"]["template"]["spec"]["containers"][0]
    return container


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the pod of a workload."""
    found: dict[str, Any] = workload["spec"]["template"]["spec"]
    return found


def with_setting(name: str, value: str) -> Change:
    return lambda found: main(found)["env"].append({"name": name, "value": value})


def without_setting(name: str) -> Change:
    def change(found: dict[str, Any]) -> None:
        main(found)["env"] = [one for one in main(found)["env"] if one["name"] != name]

    return change


def without_mount(volume: str) -> Change:
    def change(found: dict[str, Any]) -> None:
        kept = [one for one in main(found)["volumeMounts"] if one["name"] != volume]
        main(found)["volumeMounts"] = kept

    return change


def peer(program: str, port: int) -> dict[str, Any]:
    chosen = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": program}}}
    return {"to": [chosen], "from": [chosen], "ports": [{"port": port}]}


def egress(program: str, port: int) -> Change:
    rule = peer(program, port)
    del rule["from"]
    return lambda found: found["spec"]["egress"].append(rule)


# What is changed: kind and name, how, and what must be said of it.
PLANTED: Mapping[str, tuple[str, str, Change, str]] = {
    "a misspelt field": (
        "Deployment",
        "ledger",
        lambda found: pod(found).update(terminationGracePeriodSecond=45),
        "terminationGracePeriodSecond",
    ),
    "a misspelt field of a custom resource": (
        "Cluster",
        "postgres",
        lambda found: found["spec"].update(instance=3),
        "spec.instance: is unknown",
    ),
    "a number that is a text": (
        "Deployment",
        "orders",
        lambda found: found["spec"].update(replicas="two"),
        "Deployment/orders",
    ),
    "root": (
        "Deployment",
        "escrow",
        lambda found: pod(found)["securityContext"].update(runAsNonRoot=False),
        "may run as root",
    ),
    "an image that can be written to": (
        "StatefulSet",
        "nats",
        lambda found: main(found)["securityContext"].update(readOnlyRootFilesystem=False),
        "may write to its image",
    ),
    "a capability": (
        "Deployment",
        "gateway",
        lambda found: main(found)["securityContext"]["capabilities"].update(add=["NET_RAW"]),
        "keeps capabilities",
    ),
    "a token of the cluster": (
        "Job",
        "migrations",
        lambda found: pod(found).update(automountServiceAccountToken=True),
        "a token of the cluster",
    ),
    "a command that the image has not": (
        "CronJob",
        "operator",
        lambda found: found["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][
            0
        ].update(args=["python", "-m", "deploy.operator"]),
        "is no program of the image",
    ),
    "an operator who is root": (
        "CronJob",
        "operator",
        lambda found: found["spec"]["jobTemplate"]["spec"]["template"]["spec"][
            "securityContext"
        ].update(runAsUser=0),
        "may run as root",
    ),
    "an operator who reaches disputes": (
        "NetworkPolicy",
        "operator",
        egress("disputes", 8084),
        "operator → disputes:8084",
    ),
    "no probe": (
        "Deployment",
        "disputes",
        lambda found: main(found).pop("readinessProbe"),
        "has no readinessProbe",
    ),
    "a probe of another port": (
        "Deployment",
        "orders",
        lambda found: main(found)["livenessProbe"]["grpc"].update(port=9),
        "a port that is not open",
    ),
    "a probe of every program": (
        "Deployment",
        "gateway",
        lambda found: main(found)["readinessProbe"]["httpGet"].update(
            path="/api/v1/health/detailed"
        ),
        "depends on other programs",
    ),
    "a budget for nobody": (
        "PodDisruptionBudget",
        "ledger",
        lambda found: found["spec"]["selector"]["matchLabels"].update(
            {"app.kubernetes.io/name": "ledgers"}
        ),
        "Deployment/ledger: has no disruption budget",
    ),
    "a gap in a rollout": (
        "Deployment",
        "ledger",
        lambda found: found["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1),
        "leaves a gap",
    ),
    "a limit of CPU": (
        "Deployment",
        "escrow",
        lambda found: main(found)["resources"]["limits"].update(cpu="1"),
        "a limit of CPU",
    ),
    "an open default": (
        "NetworkPolicy",
        "default-deny",
        lambda found: found["spec"].update(policyTypes=["Ingress"]),
        "nothing is denied",
    ),
    "a call that is not in the graph": (
        "NetworkPolicy",
        "ledger",
        egress("orders", 8081),
        "ledger → orders:8081",
    ),
    "a call that is shut off": (
        "NetworkPolicy",
        "orders",
        lambda found: found["spec"]["egress"].pop(0),
        "orders → ledger:8082",
    ),
    "a door for everybody": (
        "NetworkPolicy",
        "escrow",
        lambda found: found["spec"]["ingress"].append({"ports": [{"port": 8083}]}),
        "is open to everything",
    ),
    "a way out for the ledger": (
        "NetworkPolicy",
        "ledger",
        lambda found: found["spec"]["egress"].append(
            {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}
        ),
        "reaches the outside",
    ),
    "an unknown setting": (
        "Deployment",
        "ledger",
        with_setting("BATCH_SIZE", "5"),
        "BATCH_SIZE is no setting that it reads",
    ),
    "a secret of another program": (
        "Deployment",
        "disputes",
        with_setting("API_KEY_PEPPER", "x"),
        "API_KEY_PEPPER is no setting that it reads",
    ),
    "a missing setting": (
        "Deployment",
        "escrow",
        without_setting("EVENT_SIGNING_KEY"),
        "EVENT_SIGNING_KEY is missing",
    ),
    "a file that no volume has": (
        "Deployment",
        "orders",
        without_mount("identity"),
        "IDENTITY_KEY_FILE is /identity/key, and no volume has it",
    ),
    "a trust in nonsense": (
        "ConfigMap",
        "trust",
        lambda found: found["data"].update({"trust.json": '{"callers": {"orders": {}}}'}),
        "TRUST_FILE",
    ),
    "a certificate that nobody makes": (
        "Certificate",
        "ledger-tls",
        lambda found: found["spec"].update(secretName="ledgers-tls"),
        "ledger-tls is nowhere",
    ),
    "a misspelt field of a certificate": (
        "Certificate",
        "nats-tls",
        lambda found: found["spec"].update(dnsName=["nats"]),
        "spec.dnsName: is unknown",
    ),
    "plain text": (
        "Deployment",
        "disputes",
        without_mount("tls"),
        "TLS_CERT_FILE is /tls/tls.crt, and no volume has it",
    ),
    "a wrong setting": (
        "Deployment",
        "gateway",
        with_setting("WAIT_SECONDS", "600"),
        "WAIT_SECONDS",
    ),
    "a secret in the tree": (
        "ConfigMap",
        "ledger-settings",
        lambda found: found.update(kind="Secret", data={"password": "aHVudGVyMg=="}),
        "a secret is in the tree",
    ),
    "an image by a tag": (
        "Deployment",
        "gateway",
        lambda found: main(found).update(image="registry.example.org/orchestrator:latest"),
        "is not named by its digest",
    ),
    "a secret that nobody makes": (
        "ExternalSecret",
        "identity-orders",
        lambda found: found["metadata"].update(name="identities-orders"),
        "identity-orders is nowhere",
    ),
    "a namespace that admits everything": (
        "Namespace",
        "orchestrator",
        lambda found: found["metadata"]["labels"].update(
            {"pod-security.kubernetes.io/enforce": "baseline"}
        ),
        "admits pods that are not restricted",
    ),
}


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


def test_a_secret_of_the_development_cluster_says_that_it_is_none() -> None:
    secret = {
        "kind": "Secret",
        "metadata": {"name": "nats-users"},
        "stringData": {"NATS_ADMIN": "hunter2"},
    }
    documents = [*render("dev"), {**secret, "apiVersion": "v1", "type": "Opaque"}]

    found = faults_of(documents, overlay="dev")

    assert found == ["Secret/nats-users: NATS_ADMIN does not say dev-only"]
