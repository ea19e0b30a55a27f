"""The caller's marketplace: its settings, and the clock of a test marketplace."""

import datetime as dt
from typing import Annotated, Literal

from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2
from pydantic import Field, StringConstraints

from chassis.idempotency import RequestKey
from gateway.answers import Answer
from gateway.call import Call
from gateway.keys import READ, WRITE
from gateway.marketplace.api_keys import own
from gateway.marketplace.order import STATES, OrderStatus
from gateway.marketplace.shapes import (
    Decimal,
    Output,
    Success,
    Time,
    amount_or_none,
    success,
    time,
)
from gateway.models import Request
from gateway.routing import Routes

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
routes = Routes("Marketplace")


class Deadline(Output):
    """How long an order may rest in a status, and what happens then.

    delivered: true: only after the delivery; false: only before the delivery; null: in both cases.
    """

    name: str
    status: OrderStatus
    delivered: bool | None
    days: int
    action: Literal["CANCEL", "RELEASE", "TELL", "ESCALATE"]


class WithdrawalRules(Output):
    """The rules for withdrawals; null: the rule is off.

    least, most: of one withdrawal. mostPerDay: of one user in 24 hours. destinations: the only
    destinations that may be paid. newDestinationHours: the time between the first withdrawal to a
    destination and the first payment to it. approvalAbove: a larger withdrawal must be approved by
    a second key within approvalHours.
    """

    least: Decimal | None
    most: Decimal | None
    mostPerDay: Decimal | None
    destinations: list[str] | None
    newDestinationHours: int | None
    approvalAbove: Decimal | None
    approvalHours: int


class Marketplace(Output):
    """The settings of the marketplace. time: by its clock, which only a test marketplace can move.

    disputeAnswerHours, disputeDecisionHours: the time in which support must first answer a dispute,
    and decide it; null: no limit. payoutRedirects: who may redirect a payout that the network
    refuses; with MARKETPLACE, an operator may do it too.
    """

    id: str
    name: str
    environment: str
    manualCredits: bool
    platformFeeBps: int
    partyPlatformFeeBps: int
    deadlines: list[Deadline]
    warningHours: int
    time: Time
    clockOffsetSeconds: int
    withdrawals: WithdrawalRules
    disputeAnswerHours: int | None
    disputeDecisionHours: int | None
    payoutRedirects: Literal["OPERATOR", "MARKETPLACE"]


def marketplace(call: Call, message: orders_pb2.Marketplace) -> Marketplace:
    """Return the settings of the caller's marketplace as the API shows them."""
    key = own(call)
    return {
        "id": str(key.marketplace_id),
        "name": key.marketplace,
        "environment": key.environment,
        "manualCredits": message.allows_manual_credit,
        "platformFeeBps": message.platform_fee_bps,
        "partyPlatformFeeBps": message.party_platform_fee_bps,
        "deadlines": [
            {
                "name": one.name,
                "status": STATES[one.state],
                "delivered": one.delivered if one.HasField("delivered") else None,
                "days": one.days,
                "action": one.action,  # type: ignore[typeddict-item] # the contract's values
            }
            for one in message.deadlines
        ],
        "warningHours": message.warning_hours,
        "time": time(message.time),
        "clockOffsetSeconds": message.clock_offset_seconds,
        "withdrawals": withdrawal_rules(message.withdrawals),
        "disputeAnswerHours": message.dispute_answer_hours or None,
        "disputeDecisionHours": message.dispute_decision_hours or None,
        "payoutRedirects": "MARKETPLACE"
        if message.payout_redirects == "MARKETPLACE"
        else "OPERATOR",
    }


def withdrawal_rules(message: withdrawals_pb2.WithdrawalRules) -> WithdrawalRules:
    """Return the rules for withdrawals as the API shows them."""
    waits = message.HasField("new_destination_hours")
    return {
        "least": amount_or_none(message, "least"),
        "most": amount_or_none(message, "most"),
        "mostPerDay": amount_or_none(message, "most_per_day"),
        "destinations": list(message.destinations) if message.lists_destinations else None,
        "newDestinationHours": message.new_destination_hours if waits else None,
        "approvalAbove": amount_or_none(message, "approval_above"),
        "approvalHours": message.approval_hours,
    }


@routes.get("/marketplace", scope=READ)
async def get_marketplace(call: Call) -> Answer[Success[Marketplace]]:
    """Read the settings of the marketplace: fees, deadlines, rules, and the time by its clock."""
    request = orders_pb2.GetMarketplaceRequest()
    return success(marketplace(call, await call.read(call.backends.orders.GetMarketplace, request)))


class AdvanceClock(Request):
    """How far to move the clock: a number of seconds, minutes, hours or days, such as "8d"."""

    advance: Annotated[
        str,
        StringConstraints(
            pattern=r"^([1-9][0-9]{0,2}d|[1-9][0-9]{0,3}h|[1-9][0-9]{0,4}m|[1-9][0-9]{0,5}s)$"
        ),
        Field(description="Up to 999d, 9999h, 99999m or 999999s."),
    ]


@routes.post(
    "/test/clock",
    scope=WRITE,
    examples={"week": {"advance": "8d"}},
    refusals=("LIVE_MARKETPLACE", "CLOCK_TOO_FAR"),
)
async def advance_clock(call: Call, body: AdvanceClock) -> Answer[Success[Marketplace]]:
    """Move a test marketplace's clock forward.

    Deadlines, disputes, offers and stored answers follow the clock.
    """
    seconds = int(body.advance[:-1]) * _UNITS[body.advance[-1]]
    written = call.written()
    request = orders_pb2.AdvanceClockRequest(**written, seconds=seconds)
    message = await call.change(call.backends.orders.AdvanceClock, request)
    # Each of the three parts happens once per key. A repetition completes what a failure
    # interrupted.
    own_key = {**written, "request_id": f"clock:{written['request_id']}"}
    aging = disputes_pb2.AgeAnswersRequest(
        **own_key, seconds=seconds, clock_offset_seconds=message.clock_offset_seconds
    )
    await call.read(call.backends.disputes.AgeAnswers, aging)
    asked = RequestKey(
        marketplace_id=own(call).marketplace_id,
        scope="",
        key=own_key["request_id"],
        fingerprint=own_key["fingerprint"],
    )
    await call.parts.keys.store.age(asked, by=dt.timedelta(seconds=seconds))
    return success(marketplace(call, message))
