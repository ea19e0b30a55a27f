"""`make k8s-check`: renders every overlay, validates it strictly, and checks the rules.

If something is wrong, the exit code is 1, and each fault is printed on a line.
"""

import sys
from collections.abc import Sequence

from tools.k8s import edges, environment, pods, secrets, validate
from tools.k8s.render import ROOT, Document, Objects, overlays, render


def faults_of(documents: Sequence[Document], *, overlay: str) -> list[str]:
    """List everything that is wrong with the objects of an overlay."""
    objects = Objects(documents)
    invalid = validate.invalid(documents)
    if invalid:
        # The rules assume valid objects.
        return invalid
    return [
        *pods.faults(objects, overlay=overlay),
        *edges.faults(objects),
        *environment.faults(objects),
        *secrets.in_objects(objects, overlay=overlay),
    ]


def main() -> None:
    """Check the tree."""
    found = list(secrets.in_files(ROOT / "deploy/k8s"))
    for overlay in overlays():
        documents = render(overlay)
        faults = faults_of(documents, overlay=overlay)
        found += [f"{overlay}: {fault}" for fault in faults]
        sys.stdout.write(f"{overlay}: {len(documents)} objects, {len(faults)} faults\n")
    for fault in found:
        sys.stdout.write(f"{fault}\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
