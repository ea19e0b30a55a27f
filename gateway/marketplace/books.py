"""The books of the marketplace: its money, whether they are right, and what is stuck.

Three services each contribute a part: the ledger its last check, orders the comparison with the
chain, escrow the work that waits for an operator. This module only counts.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import Field

from gateway.answers import Answer
from gateway.call import Call
from gateway.keys import READ
from gateway.marketplace.shapes import (
    Decimal,
    OrderId,
    Output,
    Success,
    Time,
    public,
    success,
    time,
    time_or_none,
)
from gateway.routing import Routes
from kernel.money import to_text

# At most this many of each kind are shown. All are counted, up to 200.
SHOWN_MAX = 20
ESCROW, USER = "escrow:", "user:"
QUARANTINED = escrow_pb2.COMMAND_STATE_QUARANTINED
routes = Routes("Books")


class AssetBooks(Output):
    """The marketplace's money in one currency, without the platform's own money.

    held = available + reserved + inEscrow + inSuspense.
    """

    currency: str
    held: Decimal
    available: Annotated[Decimal, Field(description="Of users: what they can spend.")]
    reserved: Annotated[Decimal, Field(description="Of users: what is held for orders.")]
    inEscrow: Decimal
    inSuspense: Annotated[Decimal, Field(description="Deposits that are credited to nobody yet.")]


class Invariant(Output):
    """A rule of the ledger. details: how much was compared, and what violates the rule."""

    name: str
    holds: bool
    details: str


class Ledger(Output):
    """The result of the last check of the ledger. checkedAt: null before the first check."""

    checkedAt: Time | None
    isChecking: Annotated[bool, Field(description="A newer check is in progress.")]
    money: list[AssetBooks]
    invariants: list[Invariant]


class Difference(Output):
    """An account whose ledger and chain differ: a user's wallet, or an order's contract."""

    userId: str | None
    orderId: OrderId | None
    ledger: Decimal
    chain: Decimal
    since: Time


class Chain(Output):
    """The comparison of ledger and chain. comparedAt: the end of the last complete round."""

    comparedAt: Time | None
    lookedAt: Annotated[Time | None, Field(description="When accounts were last compared.")]
    agrees: Annotated[bool | None, Field(description="null before the first complete round.")]
    differences: list[Difference]


class Waiting(Output):
    """Work on an order or a user's wallet that has stopped, or that takes long."""

    orderId: OrderId | None
    userId: str | None
    kind: str
    reason: str | None
    since: Time


class Work(Output):
    """Work of one kind: how much there is (counted up to 200), and the oldest 20."""

    count: int
    oldest: list[Waiting]


class ForeignChange(Output):
    """A change of an order's contract by a transaction that is not ours. since: when it was seen.

    It is listed until its order has ended, even if an operator has settled it.
    """

    orderId: OrderId
    event: Annotated[str, Field(description="The contract's name for it, such as `tw_dispute`.")]
    transactionHash: str
    since: Time


class Books(Output):
    """Whether the books are right. isWell: null before the first check and comparison."""

    isWell: bool | None
    ledger: Ledger
    chain: Chain
    needsOperator: Annotated[Work, Field(description="It goes on only when an operator acts.")]
    waits: Annotated[Work, Field(description="It goes on without help.")]
    foreignChanges: Annotated[list[ForeignChange], Field(description="The first 20.")]
    isSendingOnHold: Annotated[
        bool, Field(description="An operator has to confirm the chain before anything is sent.")
    ]
    areDepositsSeen: bool
    oldestEventAt: Annotated[
        Time | None, Field(description="Of the events that are not published; null: none waits.")
    ]


@routes.get("/books", scope=READ, support=True)
async def get_books(call: Call) -> Answer[Success[Books]]:
    """Read the marketplace's money, whether its books are right, and what is stuck.

    Checking the whole ledger of a large marketplace takes long. The answer has the result of the
    last check, and a new check is started unless the last one is recent.
    """
    known, compared, concerns = await asyncio.gather(
        call.read(call.backends.ledger.GetBooks, ledger_pb2.GetBooksRequest()),
        call.read(call.backends.orders.GetReconciliation, orders_pb2.GetReconciliationRequest()),
        call.read(call.backends.escrow.ListConcerns, escrow_pb2.ListConcernsRequest()),
    )
    return success(books(known, compared, concerns))


def books(
    known: ledger_pb2.Books,
    compared: orders_pb2.Reconciliation,
    concerns: escrow_pb2.ListConcernsResponse,
) -> Books:
    """Return the books as the API shows them."""
    needing = [one for one in concerns.commands if one.state == QUARANTINED]
    resting = [one for one in concerns.commands if one.state != QUARANTINED]
    # An operation whose command is listed already is not listed again.
    said = {one.account for one in concerns.commands}
    slow = [one for one in compared.slow if f"{ESCROW}{one.order_id}" not in said]
    waits = [_command(one) for one in resting] + [_operation(one) for one in slow]
    waits.sort(key=lambda one: one["since"])
    events = [
        time(one.oldest_event_at)
        for one in (known, compared, concerns)
        if one.HasField("oldest_event_at")
    ]
    chain = _chain(compared)
    broken = [one for one in known.invariants if not one.holds]
    stopped = concerns.HasField("hold") or concerns.HasField("blindness")
    is_known = known.HasField("checked_at") and chain["agrees"] is not None
    is_wrong = bool(broken or chain["differences"] or needing or concerns.changes or stopped)
    return {
        "isWell": False if is_wrong else True if is_known else None,
        "ledger": _ledger(known),
        "chain": chain,
        "needsOperator": _work([_command(one) for one in needing]),
        "waits": _work(waits),
        "foreignChanges": [
            {
                "orderId": public("ord", one.order_id),
                "event": one.name,
                "transactionHash": one.transaction_hash,
                "since": time(one.found_at),
            }
            for one in concerns.changes[:SHOWN_MAX]
        ],
        "isSendingOnHold": concerns.HasField("hold"),
        "areDepositsSeen": not concerns.HasField("blindness"),
        "oldestEventAt": min(events, default=None),
    }


def _ledger(known: ledger_pb2.Books) -> Ledger:
    return {
        "checkedAt": time_or_none(known, "checked_at"),
        "isChecking": known.is_checking,
        "money": [
            {
                "currency": one.asset,
                "held": to_text(one.available + one.reserved + one.in_escrow + one.in_suspense),
                "available": to_text(one.available),
                "reserved": to_text(one.reserved),
                "inEscrow": to_text(one.in_escrow),
                "inSuspense": to_text(one.in_suspense),
            }
            for one in known.money
        ],
        "invariants": [
            {"name": one.name, "holds": one.holds, "details": one.details}
            for one in known.invariants
        ],
    }


def _chain(compared: orders_pb2.Reconciliation) -> Chain:
    differing = len(compared.differences) > 0
    is_compared = compared.HasField("round_finished_at")
    return {
        "comparedAt": time_or_none(compared, "round_finished_at"),
        "lookedAt": time_or_none(compared, "looked_at"),
        "agrees": False if differing else True if is_compared else None,
        "differences": [
            {
                "userId": _user(one.account),
                "orderId": _order(one.account),
                "ledger": to_text(one.ledger),
                "chain": to_text(one.chain),
                "since": time(one.since),
            }
            for one in compared.differences
        ],
    }


def _work(found: Sequence[Waiting]) -> Work:
    return {"count": len(found), "oldest": list(found[:SHOWN_MAX])}


def _command(one: escrow_pb2.CommandOfConcern) -> Waiting:
    return {
        "orderId": _order(one.account),
        "userId": _user(one.account),
        "kind": escrow_pb2.CommandKind.Name(one.kind).removeprefix("COMMAND_KIND_"),
        "reason": one.reason or None,
        "since": time(one.since),
    }


def _operation(one: orders_pb2.SlowOperation) -> Waiting:
    return {
        "orderId": public("ord", one.order_id),
        "userId": None,
        "kind": one.kind,
        "reason": None,
        "since": time(one.since),
    }


def _order(account: str) -> str | None:
    return public("ord", account.removeprefix(ESCROW)) if account.startswith(ESCROW) else None


def _user(account: str) -> str | None:
    return public("usr", account.removeprefix(USER)) if account.startswith(USER) else None
