"""Decode deposits from the JSON of events; encode deposits in suspense to Protobuf."""

import datetime as dt
import uuid
from collections.abc import Sequence

import orjson
from google.protobuf import json_format
from orchestrator.escrow.v1 import events_pb2
from orchestrator.ledger.v1 import ledger_pb2

from chassis.wire import page_token
from kernel.ids import MarketplaceId, TransferId, UserId, from_public
from services.ledger import wire
from services.ledger.deposits.domain import Deposit, Suspended


class NotADeposit(ValueError):
    """The event does not have the documented shape of escrow.deposit_confirmed."""


def deposit(body: bytes) -> Deposit:
    """Decode an escrow.deposit_confirmed event. Raises: NotADeposit."""
    try:
        event = orjson.loads(body)
        payload = json_format.ParseDict(
            event["payload"], events_pb2.DepositConfirmedEvent(), ignore_unknown_fields=True
        )
        event_id = from_public("evt", event["eventId"])
        metadata = event["metadata"]
        amount = int(payload.minor_units)
        found = Deposit(
            id=TransferId(uuid.UUID(payload.deposit_id)),
            event_id=event_id or uuid.UUID(event["eventId"]),
            at=dt.datetime.fromisoformat(event["occurredAt"]),
            marketplace_id=MarketplaceId(uuid.UUID(metadata["marketplaceId"])),
            user_id=UserId(uuid.UUID(payload.user_uuid)) if payload.user_uuid else None,
            asset=payload.asset,
            amount=amount,
            transaction_hash=payload.transaction_hash,
            memo=payload.memo,
            correlation_id=metadata.get("correlationId", ""),
        )
    except (orjson.JSONDecodeError, json_format.ParseError, KeyError, TypeError, ValueError) as why:
        raise NotADeposit(f"{type(why).__name__}: {why}") from why
    if amount <= 0 or not payload.asset:
        raise NotADeposit("a deposit has an asset and an amount greater than zero")
    return found


def suspense(found: Sequence[Suspended], *, size: int) -> ledger_pb2.ListSuspenseResponse:
    """Encode a page of deposits. found: more than `size`: there is another page."""
    page = found[:size]
    return ledger_pb2.ListSuspenseResponse(
        deposits=[suspended(one) for one in page],
        next_page_token=page_token(page[-1].number) if len(found) > size else "",
    )


def suspended(found: Suspended) -> ledger_pb2.SuspendedDeposit:
    """Encode a deposit in suspense."""
    return ledger_pb2.SuspendedDeposit(
        transfer=wire.transfer(found.transfer),
        user_id=str(found.user_id or ""),
        memo=found.memo,
        credited_by=str(found.credited_by or ""),
    )
