"""The rules of corrections: who may decide on a proposal, and the transfer it posts. Pure."""

import datetime as dt
import enum
import uuid
from dataclasses import dataclass

from kernel.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from kernel.ids import OrderId, TransferId, derived_id
from services.ledger.book import NewTransfer, TransferCode, TransferType

# A proposal expires after a day. The operator must then check the books again.
LIFETIME = dt.timedelta(days=1)


class Verdict(enum.Enum):
    """An operator's decision on a proposal."""

    APPROVED = "approved"
    REJECTED = "rejected"


class CorrectionNotFound(NotFound):
    """The correction does not exist."""

    reason = "CORRECTION_NOT_FOUND"


class AccountNotFound(NotFound):
    """The account does not exist."""

    reason = "ACCOUNT_NOT_FOUND"


class SameOperator(PermissionDenied):
    """The operator who proposed a correction cannot approve it."""

    reason = "SAME_OPERATOR"


class CorrectionExpired(FailedPrecondition):
    """Nobody approved the correction in time; it must be proposed again."""

    reason = "CORRECTION_EXPIRED"


class CorrectionDecided(FailedPrecondition):
    """The correction already has the opposite verdict."""

    reason = "CORRECTION_DECIDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A proposed transfer. amount: minor units. evidence_hash: SHA-256, hex.

    settles: the case that the transfer settles, in the operator's words, or "".
    """

    debit: str
    credit: str
    asset: str
    amount: int
    reason: str
    evidence_hash: str
    settles: str
    order_id: OrderId | None
    transaction_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A proposal and its decision. number: its position in lists.

    verdict, decided_by, decided_at: None, "" and None until it is decided. is_expired: it was not
    decided in time.
    """

    number: int
    id: uuid.UUID
    draft: Draft
    proposed_by: str
    proposed_at: dt.datetime
    expires_at: dt.datetime
    verdict: Verdict | None
    decided_by: str
    decided_at: dt.datetime | None
    transfer_id: TransferId | None
    is_expired: bool


def check_draft(draft: Draft) -> None:
    """Check that a transfer can be proposed. Raises: InvalidArgument."""
    if draft.amount <= 0:
        fields = [("amount", "must be more than zero")]
        raise InvalidArgument("Invalid field: amount", fields=fields)
    if draft.debit == draft.credit:
        fields = [("credit_account", "is the debited account")]
        raise InvalidArgument("Invalid field: credit_account", fields=fields)


def check_decision(found: Correction, *, verdict: Verdict, by: str) -> None:
    """Check that an operator may give this verdict now. Raises: SameOperator; CorrectionExpired."""
    if verdict is Verdict.APPROVED and found.proposed_by == by:
        raise SameOperator("A correction is approved by another operator than its proposer")
    if found.is_expired:
        raise CorrectionExpired("Nobody approved the correction in time; propose it again")


def check_verdict(found: Correction, verdict: Verdict) -> None:
    """Check that a decided correction has this verdict. Raises: CorrectionDecided."""
    if found.verdict is not verdict:
        raise CorrectionDecided("Another decision was already made on the correction")


def transfer_of(found: Correction) -> NewTransfer:
    """Return the transfer that an approval posts. Its id is derived from the correction's."""
    draft = found.draft
    return NewTransfer(
        id=TransferId(derived_id(found.id, "correction")),
        type=TransferType.SINGLE,
        code=TransferCode.CORRECTION,
        debit=draft.debit,
        credit=draft.credit,
        asset=draft.asset,
        amount=draft.amount,
        pending_id=None,
        linked=False,
        order_id=draft.order_id,
        transaction_hash=draft.transaction_hash,
        reason=draft.reason,
    )
