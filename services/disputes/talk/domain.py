"""Remarks and their rules: messages of both sides and support, and notes of support. Pure.

A message changes the case and has an event. A note leaves the case unchanged, because no party may
see that a note exists.
"""

import datetime as dt
import enum
from dataclasses import dataclass
from uuid import UUID

from kernel.errors import FailedPrecondition
from kernel.ids import DisputeId, MarketplaceId, to_public
from services.disputes import domain as cases
from services.disputes.domain import Action, Dispute, Fact

# The most messages, and the most notes, of one case.
REMARKS_MAX = 1000


class DisputeAuthor(enum.StrEnum):
    """The author of a remark."""

    BUYER = "BUYER"
    SELLER = "SELLER"
    SUPPORT = "SUPPORT"


class TooManyMessages(FailedPrecondition):
    """The case has the maximum number of messages, or of notes."""

    reason = "TOO_MANY_MESSAGES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """The writer of a remark. id: the principal. name: the name of a person of support."""

    author: DisputeAuthor
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A message or a note. It is never changed."""

    id: UUID
    marketplace_id: MarketplaceId
    dispute_id: DisputeId
    writer: Writer
    text: str
    at: dt.datetime

    def public_id(self, prefix: str) -> str:
        """Return the public id: msg_… of a message, note_… of a note."""
        return to_public(prefix, self.id)


def message(
    dispute: Dispute, *, remark_id: UUID, writer: Writer, text: str, known: int, at: dt.datetime
) -> tuple[Dispute, Remark, Fact]:
    """Write a message. known: the number of messages on the case.

    Raises: InvalidState; TooManyMessages.
    """
    after = cases.take_up(dispute, Action.MESSAGE, at=at)
    remark = _remark(dispute, remark_id=remark_id, writer=writer, text=text, known=known, at=at)
    payload = {"messageId": remark.public_id("msg"), "writtenBy": writer.author.value}
    return after, remark, cases.fact("message_added", after, payload)


def note(
    dispute: Dispute, *, remark_id: UUID, writer: Writer, text: str, known: int, at: dt.datetime
) -> Remark:
    """Write a note, even on a resolved case. known: the number of notes on the case.

    Raises: TooManyMessages.
    """
    return _remark(dispute, remark_id=remark_id, writer=writer, text=text, known=known, at=at)


def _remark(
    dispute: Dispute, *, remark_id: UUID, writer: Writer, text: str, known: int, at: dt.datetime
) -> Remark:
    if known >= REMARKS_MAX:
        details = {"disputeId": dispute.public_id, "limit": REMARKS_MAX}
        raise TooManyMessages(f"A case holds at most {REMARKS_MAX}", details=details)
    return Remark(
        id=remark_id,
        marketplace_id=dispute.marketplace_id,
        dispute_id=dispute.id,
        writer=writer,
        text=text,
        at=at,
    )
