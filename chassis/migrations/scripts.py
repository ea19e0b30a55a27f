"""The folders of each schema's migrations, and the order of the scripts.

The scripts are parsed as text, without importing alembic.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / "chassis/migrations"
SCRIPTS = {
    "orders": ROOT / "services/orders/migrations",
    "ledger": ROOT / "services/ledger/migrations",
    "escrow": ROOT / "services/escrow/migrations",
    "disputes": ROOT / "services/disputes/migrations",
    "webhooks": ROOT / "services/webhooks/migrations",
    "gateway": ROOT / "gateway/migrations",
}
_REVISION = re.compile(r"""^revision = ["'](\w+)["']$""", re.MULTILINE)
_BEFORE = re.compile(r"""^down_revision = ["'](\w+)["']$""", re.MULTILINE)


def revisions(folder: pathlib.Path) -> tuple[str, frozenset[str]]:
    """Return the newest revision among a schema's scripts, and the set of all revisions.

    Raises: LookupError: there is no newest revision, or more than one.
    """
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.py")]
    known = {found[1] for text in texts if (found := _REVISION.search(text))}
    followed = {found[1] for text in texts if (found := _BEFORE.search(text))}
    newest = known - followed
    if len(newest) != 1:
        raise LookupError(f"{folder} has no one newest revision")
    return newest.pop(), frozenset(known)
