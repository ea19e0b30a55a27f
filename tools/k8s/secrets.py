"""The tree contains no secret: neither in a file, nor in rendered manifests."""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path

from tools.k8s.render import Objects, title

# The mark of public values.
NO_SECRET = "dev-only"  # noqa: S105 - the opposite of one
# Public values: a list of issuers, a name, a public key.
PUBLIC = frozenset({"jwt-issuers", "username", "public"})
DEVELOPMENT = "dev"
SHAPES = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a seed of Stellar": re.compile(r"\bS[A-D][A-Z2-7]{54}\b"),
    "an API key": re.compile(r"\bohk_(?:test_)?[A-Za-z0-9]{16,}"),
    "a token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\."),
    "a token of Vault": re.compile(r"\bhv[sb]\.[A-Za-z0-9_-]{16,}"),
    "an access key": re.compile(r"\bAKIA[A-Z0-9]{16}\b"),
    "a password in a URL": re.compile(r"://[^\s:/@\"']+:(?!\$\()[^\s:/@\"']+@"),
}


def in_objects(objects: Objects, *, overlay: str) -> Iterator[str]:
    """List rendered Secrets, except those marked as public."""
    for secret in objects.of("Secret"):
        if overlay != DEVELOPMENT:
            yield f"{title(secret)}: a secret is in the tree"
            continue
        for key, value in {**secret.get("data", {}), **secret.get("stringData", {})}.items():
            if key not in PUBLIC and NO_SECRET not in _plain(value):
                yield f"{title(secret)}: {key} does not say {NO_SECRET}"


def in_files(tree: Path) -> Iterator[str]:
    """List texts in a tree that look like secrets."""
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            text = path.read_text()
            for what, shape in SHAPES.items():
                if shape.search(text):
                    yield f"{path.relative_to(tree)}: looks like {what}"


def _plain(value: str) -> str:
    """Return a value, and the value decoded from base64 once and twice."""
    said, now = value, value
    for _ in range(2):
        try:
            now = base64.b64decode(now, validate=True).decode()
        except (binascii.Error, ValueError):
            break
        said += f" {now}"
    return said
