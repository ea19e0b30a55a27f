"""The catalogue of errors for docs/errors.md, read from the code: classes, kinds, REST codes."""

import importlib
import pathlib
import re

from chassis.status import Internal
from gateway import errors
from kernel.errors import KINDS, DomainError

ROOT = pathlib.Path(__file__).resolve().parent.parent
# If a reason is defined several times, its kind explains it, or else the first of these packages.
ROOMS = (
    "gateway",
    "services/orders",
    "services/ledger",
    "services/escrow",
    "services/disputes",
    "services/webhooks",
)
SHARED = ("chassis", "kernel")
INTRODUCTION = """\
# Errors

This page is generated from the code by `make docs`; do not edit it.

Every error has a **kind**, which is its gRPC status, and a **reason**. Clients can rely on the
reason. Over gRPC, the reason is `google.rpc.ErrorInfo.reason` in the domain `orchestrator`, with
details in its metadata; invalid fields are in `google.rpc.BadRequest`. The gateway translates each
reason into a code of the API that was called. The tables are in `chassis/status.py` and
`gateway/errors.py`.

- The marketplace API answers `{"success": false, "error": {"code", "message", "details"}}`.
- The party API answers `{"code", "message", "detail"}`, with `errors` for invalid fields.

A timeout (504) means that the outcome is unknown. Read the object again, or repeat the request with
the same idempotency key.
"""
RESULTS = """\
## Results of transfers

`PostTransfers` returns one result for each transfer. A refused transfer is a result and not a
failed call. Its reason is one of these:

"""


def page() -> str:
    """Return the whole page."""
    rows = [_row(cls) for cls in sorted(_refusals().values(), key=_order)]
    table = [
        "## Reasons",
        "",
        "| reason | kind (gRPC) | marketplace API | party API | meaning |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]
    listed = "\n".join(f"- `{reason}`" for reason in results())
    return "\n".join([INTRODUCTION, *table, RESULTS + listed, ""])


def reasons() -> set[str]:
    """Return every reason of the catalogue."""
    return set(_refusals()) | set(results())


def results() -> list[str]:
    """Return the reasons with which the ledger refuses a transfer."""
    source = (ROOT / "services/ledger/domain.py").read_text(encoding="utf-8")
    found = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', source))
    # Two reasons are composed of one word: the hold was posted, or voided.
    found |= {"PENDING_ALREADY_POSTED", "PENDING_ALREADY_VOIDED"}
    return sorted(found - set(_refusals()))


def _refusals() -> dict[str, type[DomainError]]:
    """Map each reason to the class that explains it."""
    for room in (*ROOMS, *SHARED):
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if not {"migrations", "__main__"} & set(parts):
                importlib.import_module(".".join(parts).removesuffix(".__init__"))
    found: dict[str, type[DomainError]] = {}
    for cls in sorted(_subclasses(DomainError), key=_rank):
        if cls.kind and cls.__module__.partition(".")[0] not in {"tests", "deploy"}:
            found.setdefault(cls.reason, cls)
    return found


def _subclasses(cls: type[DomainError]) -> set[type[DomainError]]:
    direct = set(cls.__subclasses__())
    return direct.union(*(_subclasses(sub) for sub in direct))


def _rank(cls: type[DomainError]) -> tuple[int, str, str]:
    """Order classes by their package; a kind's own class explains its reason first."""
    if cls in KINDS.values():
        return -1, cls.__module__, cls.__name__
    path = cls.__module__.replace(".", "/")
    rooms = [place for place, room in enumerate((*ROOMS, *SHARED)) if path.startswith(room)]
    return (rooms[0] if rooms else len(ROOMS) + len(SHARED), cls.__module__, cls.__name__)


def _order(cls: type[DomainError]) -> tuple[int, str]:
    kinds = [*KINDS, Internal.kind]
    return kinds.index(cls.kind), cls.reason


def _row(cls: type[DomainError]) -> str:
    row = errors.row(KINDS.get(cls.kind, Internal)(reason=cls.reason))
    party = f"{row.party_status or row.status} `{row.party_code}`"
    means = (cls.__doc__ or "").strip().splitlines()[0].replace("|", "\\|")
    return f"| `{cls.reason}` | {cls.kind} | {row.status} `{row.code}` | {party} | {means} |"
