"""Renders the overlays with kustomize, as they would be applied."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ROOT / "deploy/k8s/overlays"
RENDER_SECONDS = 60

Document = Mapping[str, Any]


def overlays() -> list[str]:
    """Name every overlay."""
    return sorted(path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml"))


def render(overlay: str, *, tree: Path = OVERLAYS) -> list[Document]:
    """Return the objects of an overlay. Raises: RuntimeError: kustomize refuses it."""
    kubectl = Path(sys.executable).parent / "kubectl"
    done = subprocess.run(
        [str(kubectl), "kustomize", str(tree / overlay)],
        capture_output=True,
        check=False,
        text=True,
        timeout=RENDER_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"{overlay}: {done.stderr.strip()}")
    return read(done.stdout)


def read(text: str) -> list[Document]:
    """Read the documents of a YAML text."""
    return [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]


class Objects:
    """The objects of an overlay, by kind."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.all = documents

    def of(self, *kinds: str) -> list[Document]:
        """Return the objects of some kinds."""
        return [found for found in self.all if found["kind"] in kinds]

    def workloads(self) -> list[Document]:
        """Return the objects with a pod template; for a CronJob, its Job."""
        jobs = [{**one, "spec": one["spec"]["jobTemplate"]["spec"]} for one in self.of("CronJob")]
        return [*self.of("Deployment", "StatefulSet", "Job"), *jobs]

    def pods(self) -> dict[str, Mapping[str, str]]:
        """Return the labels of the pods of each workload, by its name."""
        found = {name(one): labels_of(one) for one in self.workloads()}
        for cluster in self.of("Cluster"):
            found[name(cluster)] = cluster["spec"]["inheritedMetadata"]["labels"]
        return found


def name(document: Document) -> str:
    """Return an object's name."""
    return str(document["metadata"]["name"])


def title(document: Document) -> str:
    """Name an object for a report."""
    return f"{document['kind']}/{name(document)}"


def labels_of(workload: Document) -> Mapping[str, str]:
    """Return the labels of a workload's pods."""
    labels: Mapping[str, str] = workload["spec"]["template"]["metadata"].get("labels", {})
    return labels


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector matches; an empty one matches everything."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(
        labels.get(rule["key"]) in rule["values"]
        if rule["operator"] == "In"
        else rule["key"] in labels
        for rule in selector.get("matchExpressions", [])
    )
