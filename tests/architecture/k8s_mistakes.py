"""Mistakes in a deployment that `make k8s-check` must find: the change, and the message."""

from collections.abc import Callable, Mapping
from typing import Any

Change = Callable[[dict[str, Any]], None]


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
    "a command that is not in the image": (
        "CronJob",
        "operator",
        lambda found: found["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][
            0
        ].update(args=["python", "-m", "deploy.operator"]),
        "is not a program of the image",
    ),
    "an operator who is root": (
        "CronJob",
        "operator",
        lambda found: found["spec"]["jobTemplate"]["spec"]["template"]["spec"][
            "securityContext"
        ].update(runAsUser=0),
        "may run as root",
    ),
    "an operator's connection to disputes": (
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
    "a disruption budget that selects nothing": (
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
        "no default policy",
    ),
    "a call that is not in the graph": (
        "NetworkPolicy",
        "ledger",
        egress("orders", 8081),
        "ledger → orders:8081",
    ),
    "a needed call that is not allowed": (
        "NetworkPolicy",
        "orders",
        lambda found: found["spec"]["egress"].pop(0),
        "orders → ledger:8082",
    ),
    "a policy that admits everything": (
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
    "traces to every namespace": (
        "NetworkPolicy",
        "traces",
        lambda found: found["spec"]["egress"][0]["to"][0].update(namespaceSelector={}),
        "reaches another namespace",
    ),
    "more than traces": (
        "NetworkPolicy",
        "traces",
        lambda found: found["spec"]["egress"][0]["ports"].append({"port": 5432}),
        "reaches another namespace",
    ),
    "an unknown setting": (
        "Deployment",
        "ledger",
        with_setting("BATCH_SIZE", "5"),
        "BATCH_SIZE is not a setting of this program",
    ),
    "a secret of another program": (
        "Deployment",
        "disputes",
        with_setting("API_KEY_PEPPER", "x"),
        "API_KEY_PEPPER is not a setting of this program",
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
        "IDENTITY_KEY_FILE is /identity/key, which is on no volume",
    ),
    "an invalid trust file": (
        "ConfigMap",
        "trust",
        lambda found: found["data"].update({"trust.json": '{"callers": {"orders": {}}}'}),
        "TRUST_FILE",
    ),
    "a certificate that is not issued": (
        "Certificate",
        "ledger-tls",
        lambda found: found["spec"].update(secretName="ledgers-tls"),
        "ledger-tls does not exist",
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
        "TLS_CERT_FILE is /tls/tls.crt, which is on no volume",
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
    "a secret that is not created": (
        "ExternalSecret",
        "identity-orders",
        lambda found: found["metadata"].update(name="identities-orders"),
        "identity-orders does not exist",
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
