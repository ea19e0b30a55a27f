"""Rules for pods: restricted, probed, replaced without a gap, with existing secrets."""

from collections.abc import Iterator, Mapping
from typing import Any

from tools.k8s.render import ROOT, Document, Objects, labels_of, name, selects, title

# Workloads that run to completion and serve no calls.
ENDING = frozenset({"Job", "CronJob"})
# The image's name before a deployment replaces it.
IMAGE = "orchestrator"
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
# Overlays whose images need a digest. `dev` runs a fresh build.
BY_DIGEST = frozenset({"staging", "prod"})


def faults(objects: Objects, *, overlay: str) -> Iterator[str]:
    """List what pods and their disruption budgets lack."""
    for workload in objects.workloads():
        where = title(workload)
        yield from _pod(workload, where=where)
        for beside in workload["spec"]["template"]["spec"].get("initContainers", []):
            yield from _container(beside, where=where)
        for container in workload["spec"]["template"]["spec"]["containers"]:
            yield from _container(container, where=where)
            yield from _probes(container, where=where, kind=workload["kind"])
            yield from _program(container, where=where)
            if overlay in BY_DIGEST and "@sha256:" not in container["image"]:
                yield f"{where}: the image {container['image']} is not named by its digest"
        yield from _volumes(workload, where=where)
    yield from _rollouts(objects)
    yield from _guards(objects)
    yield from _namespace(objects)
    yield from _references(objects)


def _pod(workload: Document, *, where: str) -> Iterator[str]:
    pod = workload["spec"]["template"]["spec"]
    security = pod.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
        yield f"{where}: may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{where}: has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield f"{where}: has a token of the cluster"
    if pod.get("enableServiceLinks") is not False:
        yield f"{where}: has settings injected by the cluster"
    if pod.get("serviceAccountName", "default") == "default":
        yield f"{where}: has no service account of its own"
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield f"{where}: {field}"
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield f"{where}: mounts a folder of the host"


def _container(container: Mapping[str, Any], *, where: str) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
        yield f"{where}: may escalate privileges"
    if security.get("readOnlyRootFilesystem") is not True:
        yield f"{where}: may write to its image"
    if security.get("capabilities", {}) != {"drop": ["ALL"]}:
        yield f"{where}: keeps capabilities"
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    if not {"cpu", "memory"} <= set(requests) or "memory" not in limits:
        yield f"{where}: has no resource requests"
    if "cpu" in limits:
        yield f"{where}: has a limit of CPU; a throttled program loses its leases"


def _program(container: Mapping[str, Any], *, where: str) -> Iterator[str]:
    """List commands that the image cannot run: it starts Python with a module as argument."""
    if IMAGE not in container["image"].partition("@")[0].rpartition("/")[2]:
        return
    said: list[str] = container.get("args", [])
    module = said[1] if said[:1] == ["-m"] and said[1:] else ""
    place = ROOT / module.replace(".", "/")
    is_there = place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()
    if not module or not is_there:
        yield f"{where}: {' '.join(said)} is not a program of the image"


def _probes(container: Mapping[str, Any], *, where: str, kind: str) -> Iterator[str]:
    ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
    for probe in PROBES:
        found = container.get(probe)
        if found is None:
            if kind not in ENDING:
                yield f"{where}: has no {probe}"
            continue
        way: Mapping[str, Any] = next(
            (found[one] for one in ("grpc", "httpGet", "tcpSocket") if one in found), {}
        )
        if "exec" not in found and way.get("port") not in {*ports, *ports.values()}:
            yield f"{where}: {probe} asks a port that is not open"
        if "detailed" in str(way.get("path", "")):
            yield f"{where}: {probe} depends on other programs"


def _volumes(workload: Document, *, where: str) -> Iterator[str]:
    spec = workload["spec"]
    pod = spec["template"]["spec"]
    there = {volume["name"] for volume in pod.get("volumes", [])}
    there |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    for container in pod["containers"]:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in there:
                yield f"{where}: mounts {mount['name']}, which is not a volume"


def _rollouts(objects: Objects) -> Iterator[str]:
    for workload in objects.of("Deployment"):
        where, pod = title(workload), workload["spec"]["template"]["spec"]
        rolling = workload["spec"].get("strategy", {}).get("rollingUpdate", {})
        if rolling.get("maxUnavailable") != 0:
            yield f"{where}: a rollout leaves a gap"
        for container in pod["containers"]:
            pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
            if not pause.get("seconds"):
                yield f"{where}: stops before callers know"
            elif pod.get("terminationGracePeriodSeconds", 30) < pause["seconds"] + 25:
                yield f"{where}: is killed before it can stop"


def _guards(objects: Objects) -> Iterator[str]:
    pods = objects.pods()
    budgets = objects.of("PodDisruptionBudget")
    for workload in objects.of("Deployment"):
        mine = labels_of(workload)
        if not any(selects(budget["spec"]["selector"], mine) for budget in budgets):
            yield f"{title(workload)}: has no disruption budget"
    for guard in budgets:
        if not any(selects(guard["spec"]["selector"], labels) for labels in pods.values()):
            yield f"{title(guard)}: selects nothing"
        if guard["spec"].get("maxUnavailable") != 1:
            yield f"{title(guard)}: must allow one pod to be evicted at a time"
    for service in objects.of("Service"):
        chosen = {"matchLabels": service["spec"]["selector"]}
        if not any(selects(chosen, labels) for labels in pods.values()):
            yield f"{title(service)}: selects nothing"


def _namespace(objects: Objects) -> Iterator[str]:
    for namespace in objects.of("Namespace"):
        labels = namespace["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{title(namespace)}: admits pods that are not restricted"
    if not objects.of("Namespace"):
        yield "the namespace is missing"


def _references(objects: Objects) -> Iterator[str]:
    """List Secrets, ConfigMaps and accounts that are used but not created."""
    made = {name(one) for one in objects.of("Secret", "ConfigMap", "ExternalSecret")}
    made |= {one["spec"]["secretName"] for one in objects.of("Certificate")}
    accounts = {name(one) for one in objects.of("ServiceAccount")}
    for workload in objects.workloads():
        where, pod = title(workload), workload["spec"]["template"]["spec"]
        if pod.get("serviceAccountName") not in accounts:
            yield f"{where}: its account does not exist"
        named = {
            reference["name"]
            for container in pod["containers"]
            for entry in (*container.get("env", []), *container.get("envFrom", []))
            for reference in _named(entry)
        }
        volumes = pod.get("volumes", [])
        named |= {v["configMap"]["name"] for v in volumes if "configMap" in v}
        named |= {v["secret"]["secretName"] for v in volumes if "secret" in v}
        for missing in sorted(named - made):
            yield f"{where}: {missing} does not exist"


def _named(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for holder in (entry, entry.get("valueFrom", {})):
        for field in ("secretKeyRef", "secretRef", "configMapKeyRef", "configMapRef"):
            if field in holder and not holder[field].get("optional"):
                yield holder[field]
