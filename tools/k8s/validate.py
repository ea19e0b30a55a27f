"""Validates every object against its schema, strictly: an unknown field is a fault.

Kubernetes' own kinds are validated against the schemas of its release, custom resources against
`shapes`.
"""

import json
from collections.abc import Sequence

import kubernetes_validate

from tools.k8s.render import Document, title
from tools.k8s.shapes import SHAPES, differences

KUBERNETES = "1.34"
_TOP = {"apiVersion": str, "kind": str, "metadata!": dict, "spec!": dict}
_seen: dict[str, list[str]] = {}


def invalid(documents: Sequence[Document]) -> list[str]:
    """List what is wrong with objects. Objects of several overlays are validated once."""
    found = []
    for document in documents:
        text = json.dumps(document, sort_keys=True)
        if text not in _seen:
            _seen[text] = _invalid(document)
        found += _seen[text]
    return found


def _invalid(document: Document) -> list[str]:
    where = title(document)
    shape = SHAPES.get((document["apiVersion"], document["kind"]))
    if shape is not None:
        top = differences(document, _TOP, at=where)
        return top or differences(document["spec"], shape, at=f"{where} spec")
    try:
        kubernetes_validate.validate(dict(document), KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return [f"{where}: no schema of {document['apiVersion']} {document['kind']}"]
    except kubernetes_validate.ValidationError as error:
        at = ".".join(str(part) for part in getattr(error, "path", []))
        return [f"{where} {at}: {getattr(error, 'message', error)}"]
    return []
