"""Converts outcomes to records: base64, hashes and event ids, in the form of Stellar RPC."""

import base64
from collections.abc import Sequence

from stellar_sdk import xdr

from devnet.chain.addresses import contract_text, present
from devnet.network.outcome import Outcome
from devnet.network.records import (
    TRANSACTION_MASK,
    EventId,
    EventRecord,
    Header,
    TransactionRecord,
)


def transaction_record(outcome: Outcome, *, header: Header, order: int) -> TransactionRecord:
    """Describe an applied transaction. order: from 1."""
    envelope = outcome.envelope
    return TransactionRecord(
        hash=envelope.hash.hex(),
        inner_hash=envelope.inner_hash.hex(),
        ledger=header.sequence,
        close_time=header.close_time,
        application_order=order,
        successful=outcome.successful,
        fee_bump=envelope.fee_bump is not None,
        function=envelope.function_name,
        envelope=envelope.text,
        result=outcome.result.to_xdr(),
        meta=_base64(outcome.meta()),
        contract_events=[
            [_base64(event) for event in emitted] for emitted in outcome.encoded_events
        ],
        transaction_events=[_base64(event) for event in outcome.transaction_events],
        diagnostic_events=[event.to_xdr() for event in outcome.diagnostics],
    )


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def event_records(outcomes: Sequence[Outcome], *, header: Header) -> list[EventRecord]:
    """Describe a ledger's events: all fees, then operation by operation, then all refunds."""
    records = []
    for number, outcome in enumerate(outcomes):
        place = EventId(header.sequence, 0, 0, number)
        records.append(_record(present(outcome.fee_event), place, outcome, header))
    for order, outcome in enumerate(outcomes, start=1):
        for operation, emitted in enumerate(outcome.operation_events):
            for number, event in enumerate(emitted):
                place = EventId(header.sequence, order, operation, number)
                records.append(_record(event, place, outcome, header))
    for number, outcome in enumerate(outcomes):
        if outcome.refund_event is not None:
            place = EventId(header.sequence, TRANSACTION_MASK, 0, number)
            records.append(_record(outcome.refund_event, place, outcome, header))
    return records


def _record(
    event: xdr.ContractEvent, place: EventId, outcome: Outcome, header: Header
) -> EventRecord:
    body = present(event.body.v0)
    return EventRecord(
        id=place,
        close_time=header.close_time,
        contract=contract_text(present(event.contract_id).contract_id.hash),
        topics=[topic.to_xdr() for topic in body.topics],
        value=body.data.to_xdr(),
        tx_hash=outcome.envelope.hash.hex(),
    )
