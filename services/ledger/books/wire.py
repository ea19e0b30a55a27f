"""Encode the books of a marketplace to Protobuf."""

from orchestrator.ledger.v1 import ledger_pb2

from chassis.wire import instant_to_proto
from services.ledger.books.domain import Known


def books(known: Known, *, is_checking: bool) -> ledger_pb2.Books:
    """Encode the known state of a marketplace's books."""
    checked = known.checked
    return ledger_pb2.Books(
        checked_at=None if checked is None else instant_to_proto(checked.at),
        money=[
            ledger_pb2.AssetBooks(
                asset=one.asset,
                available=one.available,
                reserved=one.reserved,
                in_escrow=one.in_escrow,
                in_suspense=one.in_suspense,
            )
            for one in (checked.money if checked is not None else ())
        ],
        invariants=[
            ledger_pb2.InvariantResult(name=one.name, holds=one.holds, details=one.details)
            for one in (checked.invariants if checked is not None else ())
        ],
        is_checking=is_checking,
        oldest_event_at=instant_to_proto(known.oldest_event_at),
    )
