"""`reconcile`: check the books, and compare ledger and chain.

It checks the ledger's invariants, and compares every marketplace's accounts with the chain.

Exit code 0: no problem was found. 1: accounts differ, a command is quarantined, money is held for
an order that should have none, sending is on hold because the chain has transactions that the books
lack, deposits are not seen, or a marketplace could not be checked. It repairs nothing. Money that
others sent to contracts and commands that wait are listed, but are no problem. With --every it
repeats, and prints one line of JSON a round, for an alarm.
"""

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import click
from orchestrator.ledger.v1.ledger_pb2 import InvariantResult

from deploy.operator.answers import DONE, REFUSED, Answer, counted
from deploy.operator.background import Background, background
from deploy.operator.command import asking
from deploy.operator.findings import Concerns, Holding, Misplaced
from deploy.operator.marketplaces import Named
from deploy.operator.open_concerns import unsettled
from deploy.operator.placing import misplaced
from deploy.operator.session import Session
from kernel.errors import DomainError
from kernel.money import to_text

SECONDS_MAX = 86_400
# The marketplace id of requests about all marketplaces.
NO_MARKETPLACE = uuid.UUID(int=0)
NO_CONCERNS = Concerns(commands=[], transfers=[])


class Finding(NamedTuple):
    """One finding. mark: its first word; docs/runbook.md has a section for each mark."""

    mark: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The findings in one marketplace. refusal: why it could not be checked, or ""."""

    marketplace: Named
    holdings: Sequence[Holding] = ()
    concerns: Concerns = NO_CONCERNS
    # The balances of the marketplace's house accounts by name, in minor units.
    house: dict[str, int] = field(default_factory=dict)
    deposits_in_suspense: int = 0
    misplaced: Sequence[Misplaced] = ()
    refusal: str = ""

    @property
    def is_well(self) -> bool:
        """Return whether nothing needs an operator."""
        is_stuck = self.concerns.quarantined or self.misplaced
        is_stopped = self.concerns.hold is not None or self.concerns.blindness is not None
        is_touched = bool(self.concerns.changes)
        needs_care = is_stuck or is_stopped or is_touched
        return not (self.refusal or differing(self.holdings) or needs_care)

    def figures(self) -> dict[str, object]:
        """Return the figures for an alarm."""
        return {
            "marketplace": self.marketplace.label,
            "accounts": len(self.holdings),
            "inMotion": sum(found.in_motion for found in self.holdings),
            "differ": len(differing(self.holdings)),
            "surplus": sum(found.is_surplus for found in self.holdings),
            "held": self.concerns.hold is not None,
            "blind": self.concerns.blindness is not None,
            "stuck": len(self.concerns.quarantined),
            "misplaced": len(self.misplaced),
            "waits": len(self.concerns.commands) - len(self.concerns.quarantined),
            "aside": len(self.concerns.transfers),
            "foreign": len(self.concerns.changes),
            "suspense": self.deposits_in_suspense,
            "refusal": self.refusal,
            "findings": [one._asdict() for one in findings(self)],
        }


@asking("reconcile", about=__doc__)
@click.option(
    "--every",
    type=click.IntRange(1, SECONDS_MAX),
    metavar="SECONDS",
    help="Repeat after so many seconds, with one line of JSON each.",
)
async def command(session: Session, *, every: int | None) -> Answer:
    """Check once, or repeatedly until the program is stopped.

    Raises: DomainError: the invariants cannot be checked.
    """
    while every is not None:
        print(json.dumps(await figures(session)), flush=True)
        await asyncio.sleep(every)
    at, invariants = _now(), await _invariants(session)
    known = await _background(session)
    looks = [await look(session, marketplace) for marketplace in session.marketplaces]
    document = _document(at, invariants, known, looks)
    return Answer(
        lines=[
            *(
                f"{'ok    ' if one.holds else 'BROKEN'}  {one.name}  {one.details}"
                for one in invariants
            ),
            known.describe(),
            *(line for found in looks for line in lines(found)),
        ],
        document=document,
        exit_code=DONE if document["isWell"] else REFUSED,
    )


async def figures(session: Session) -> dict[str, object]:
    """Check once; returns the figures of every marketplace, including refusals."""
    at = _now()
    try:
        invariants = await _invariants(session)
        known = await _background(session)
    except DomainError as error:
        return {"at": at, "isWell": False, "refusal": _said(error)}
    looks = [await look(session, marketplace) for marketplace in session.marketplaces]
    return _document(at, invariants, known, looks)


def _document(
    at: str, invariants: Sequence[InvariantResult], known: Background, looks: Sequence[Look]
) -> dict[str, object]:
    broken = [one.name for one in invariants if not one.holds]
    return {
        "at": at,
        "isWell": not broken and all(found.is_well for found in looks),
        "broken": broken,
        "background": known.document(),
        "marketplaces": [found.figures() for found in looks],
    }


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


async def look(session: Session, marketplace: Named) -> Look:
    """Check one marketplace. A failure of the check is itself a finding."""
    operator = session.operator(marketplace)
    try:
        return Look(
            marketplace=marketplace,
            holdings=await operator.holdings(),
            concerns=await unsettled(operator),
            house=await operator.house_accounts(),
            misplaced=await misplaced(operator),
            deposits_in_suspense=len(await operator.suspense()),
        )
    except DomainError as error:
        return Look(marketplace=marketplace, refusal=_said(error))


def differing(holdings: Sequence[Holding]) -> list[Holding]:
    """Return the accounts whose sides differ with no command in progress."""
    return [found for found in holdings if found.differs]


def lines(found: Look) -> list[str]:
    """Describe the findings in a marketplace, one per line, each ending with its name."""
    said = [f"{finding.mark:7} {finding.says}" for finding in findings(found)]
    if not found.refusal:
        accounts = counted(len(found.holdings), "account")
        moving = sum(one.in_motion for one in found.holdings)
        wrong = len(differing(found.holdings))
        said.insert(0, f"ledger = chain: {accounts}, {moving} in progress, {wrong} differ")
    return [f"{text}  [{found.marketplace.label}]" for text in said]


def findings(found: Look) -> list[Finding]:
    """Return the findings in a marketplace, the worst first."""
    if found.refusal:
        return [Finding("UNKNOWN", found.refusal)]
    said = [Finding("DIFFERS", one.describe()) for one in differing(found.holdings)]
    said += [Finding("surplus", one.describe()) for one in found.holdings if one.is_surplus]
    said += [Finding("ASIDE", one.describe()) for one in found.concerns.transfers]
    said += [Finding("FOREIGN", one.describe()) for one in found.concerns.changes]
    if found.concerns.hold is not None:
        said.append(Finding("HELD", found.concerns.hold.describe()))
    if found.concerns.blindness is not None:
        said.append(Finding("BLIND", found.concerns.blindness.describe()))
    for one in found.concerns.commands:
        mark = "STUCK" if one in found.concerns.quarantined else "waits"
        said.append(Finding(mark, one.describe()))
    said += [Finding("STUCK", one.describe()) for one in found.misplaced]
    if found.deposits_in_suspense:
        waiting = counted(found.deposits_in_suspense, "deposit")
        total = to_text(found.house.get("suspense", 0))
        said.append(Finding("waits", f"{waiting} in suspense, {total}"))
    house = sorted(found.house.items())
    fees = [f"{to_text(held)} {name}" for name, held in house if name.startswith("fees:")]
    if fees:
        said.append(Finding("fees", ", ".join(fees)))
    return said


async def _background(session: Session) -> Background:
    """Return the result of the background comparison, for all marketplaces."""
    return await background(session.services, marketplace_id=NO_MARKETPLACE)


async def _invariants(session: Session) -> list[InvariantResult]:
    """Check the invariants of the whole ledger. One call covers all marketplaces."""
    if not session.marketplaces:
        return []
    return await session.operator(session.marketplaces[0]).invariants()


def _said(error: DomainError) -> str:
    return f"{error.reason}: {error.message}"
