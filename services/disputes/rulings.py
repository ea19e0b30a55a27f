"""The ruling on a case: how its amount is divided. Pure."""

import datetime as dt
import enum
from dataclasses import dataclass

from kernel.errors import InvalidArgument
from kernel.money import CENT, Money


class DisputeDecision(enum.StrEnum):
    """The possible decisions on who gets the money."""

    FULL_RELEASE = "FULL_RELEASE"
    FULL_REFUND = "FULL_REFUND"
    SPLIT = "SPLIT"


class SplitAmountsMismatch(InvalidArgument):
    """The two amounts of a split do not add up to the amount of the case."""

    reason = "SPLIT_AMOUNTS_MISMATCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A requested decision. Amounts may be left out if the decision implies them.

    resolved_by_name: the name of a person of support.
    """

    decision: DisputeDecision
    release: Money | None
    refund: Money | None
    note: str
    resolved_by: str
    resolved_by_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A recorded decision. release and refund add up to the amount of the case."""

    decision: DisputeDecision
    release: Money
    refund: Money
    note: str
    resolved_by: str
    decided_at: dt.datetime
    resolved_by_name: str = ""

    def pays_as(self, other: "Ruling") -> bool:
        """Tell whether both rulings have the same decision and amounts."""
        ours = (self.decision, self.release, self.refund)
        return ours == (other.decision, other.release, other.refund)


def ruling_on(amount: Money, proposal: Proposal, *, at: dt.datetime) -> Ruling:
    """Return the ruling of a proposal, which divides the whole amount.

    Raises: SplitAmountsMismatch; InvalidArgument: the amounts contradict the decision.
    """
    if proposal.decision is DisputeDecision.SPLIT:
        release, refund = _split(amount, proposal.release, proposal.refund)
    else:
        release, refund = _full(amount, proposal)
    return Ruling(
        decision=proposal.decision,
        release=release,
        refund=refund,
        note=proposal.note,
        resolved_by=proposal.resolved_by,
        resolved_by_name=proposal.resolved_by_name,
        decided_at=at,
    )


def _split(amount: Money, release: Money | None, refund: Money | None) -> tuple[Money, Money]:
    fields = []
    for field, leg in (("release_amount", release), ("refund_amount", refund)):
        if leg is None:
            fields.append((field, "is required for SPLIT"))
        elif problem := _leg_problem(amount, leg):
            fields.append((field, problem))
    if fields or release is None or refund is None:
        raise SplitAmountsMismatch(
            "A split needs two valid amounts, release and refund", fields=fields
        )
    if release + refund != amount:
        problem = f"with refund_amount must make {amount}, not {release + refund}"
        raise SplitAmountsMismatch(
            "The amounts of a split must add up to the disputed amount",
            fields=[("release_amount", problem)],
        )
    return release, refund


def _leg_problem(amount: Money, leg: Money) -> str:
    if leg.asset != amount.asset:
        return f"must be in {amount.asset}"
    if leg.minor_units <= 0:
        return "must be greater than 0: use FULL_RELEASE or FULL_REFUND to pay one side only"
    return "" if leg.minor_units % CENT == 0 else "must be whole cents"


def _full(amount: Money, proposal: Proposal) -> tuple[Money, Money]:
    nothing = Money(asset=amount.asset, minor_units=0)
    is_release = proposal.decision is DisputeDecision.FULL_RELEASE
    release, refund = (amount, nothing) if is_release else (nothing, amount)
    legs = (
        ("release_amount", proposal.release, release),
        ("refund_amount", proposal.refund, refund),
    )
    fields = [
        (field, f"contradicts {proposal.decision}: leave it out, or send {implied}")
        for field, said, implied in legs
        if said is not None and said != implied
    ]
    if fields:
        raise InvalidArgument(f"The amounts contradict {proposal.decision}", fields=fields)
    return release, refund
