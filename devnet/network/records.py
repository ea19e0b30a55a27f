"""The records of a closed ledger: headers, transactions, events. Plain values to store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devnet.chain.keys import Key
from devnet.chain.state import Entry

TRANSACTION_MASK = 0xFFFFF
OPERATION_MASK = 0xFFF
EVENT_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A closed ledger. close_time: Unix seconds."""

    sequence: int
    close_time: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRecord:
    """A transaction in a ledger; XDR as base64, hashes as hex.

    application_order: from 1. contract_events: one list per operation.
    """

    hash: str
    inner_hash: str
    ledger: int
    close_time: int
    application_order: int
    successful: bool
    fee_bump: bool
    function: str
    envelope: str
    result: str
    meta: str
    contract_events: Sequence[Sequence[str]]
    transaction_events: Sequence[str]
    diagnostic_events: Sequence[str]


@dataclass(frozen=True, slots=True, order=True)
class EventId:
    """An event's position: ledger, transaction (from 1), operation (from 0), event (from 0).

    Events before all transactions of a ledger have transaction 0 (fees).
    """

    ledger: int
    transaction: int
    operation: int
    event: int

    def __str__(self) -> str:
        """Spell the id as Stellar RPC does: a packed 64-bit number, then the event's index."""
        packed = self.ledger << 32 | self.transaction << 12 | self.operation
        return f"{packed:019d}-{self.event:010d}"

    @classmethod
    def parse(cls, text: str) -> "EventId":
        """Parse an id. Raises: ValueError."""
        packed_text, separator, event_text = text.partition("-")
        if not (separator and packed_text.isdigit() and event_text.isdigit() and text.isascii()):
            raise ValueError(f"invalid event id {text}")
        packed, event = int(packed_text), int(event_text)
        if packed >= 1 << 63 or event > EVENT_MASK:
            raise ValueError(f"invalid event id {text}")
        return cls(
            ledger=packed >> 32,
            transaction=packed >> 12 & TRANSACTION_MASK,
            operation=packed & OPERATION_MASK,
            event=event,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """A contract event. topics and value: base64 XDR."""

    id: EventId
    close_time: int
    contract: str
    topics: Sequence[str]
    value: str
    tx_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLedger:
    """Everything that one closed ledger changes; stored in one commit."""

    header: Header
    changes: Mapping[Key, Entry | None]
    transactions: Sequence[TransactionRecord]
    events: Sequence[EventRecord]
