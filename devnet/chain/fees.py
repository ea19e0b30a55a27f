"""What a contract transaction pays for its resources, and its limits. In stroops.

The formulas are those of soroban-env-host, fees.rs. Rates: stellar-core, soroban-settings, and
SLP-7 for the main network's present ones. Limits: the same files.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from stellar_sdk import xdr

from devnet.chain import keys
from devnet.chain.envelope import Envelope
from devnet.chain.keys import Key
from devnet.chain.state import Entry

KILOBYTE = 1_024
INSTRUCTION_STEP = 10_000
RESULT_BYTES = 300
"""What a transaction's result takes in history, about."""
TTL_BYTES = 48
"""What an entry's lifetime takes in the ledger."""
CODE_DISCOUNT = 3
ENTRY_HEADER_BYTES = 8
"""A stored entry's ledger number and extension, around its data."""

PER_INSTRUCTION_STEP = 25
PER_DISK_ENTRY = 6_250
PER_WRITTEN_ENTRY = 10_000
PER_DISK_KB = 1_786
PER_WRITTEN_KB = 3_500
PER_HISTORY_KB = 16_235
PER_EVENTS_KB = 10_000
PER_TRANSACTION_KB = 1_624
PERSISTENT_RENT_LEDGERS, TEMPORARY_RENT_LEDGERS = 1_215, 2_430
"""A kilobyte pays the rent once in so many ledgers."""

INSTRUCTIONS_MAX = 100_000_000
ENTRIES_MAX = 100
DISK_ENTRIES_MAX = 100
DISK_BYTES_MAX = 200_000
WRITTEN_ENTRIES_MAX = 50
WRITTEN_BYTES_MAX = 132_096
TRANSACTION_BYTES_MAX = 132_096
EVENT_BYTES_MAX = 16_384
"""Events and the returned value together."""
ENTRY_BYTES_MAX = 65_536
KEY_BYTES_MAX = 250

CLASSIC = {xdr.LedgerEntryType.ACCOUNT, xdr.LedgerEntryType.TRUSTLINE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The counted resources that a transaction declares."""

    instructions: int
    disk_entries: int
    disk_bytes: int
    written_entries: int
    written_bytes: int
    transaction_bytes: int


@dataclass(frozen=True, slots=True)
class Change:
    """An entry with a lifetime, before and after. before: None for a new or restored entry."""

    key: Key
    before: Entry | None
    after: Entry


def declared(data: xdr.SorobanTransactionData, *, transaction_bytes: int) -> Resources:
    """Count what a transaction declares. Classic and archived entries are read from disk."""
    footprint, marked = data.resources.footprint, data.ext.resource_ext
    everything = [*footprint.read_only, *footprint.read_write]
    archived = 0 if marked is None else len(marked.archived_soroban_entries)
    return Resources(
        instructions=data.resources.instructions.uint32,
        disk_entries=sum(key.type in CLASSIC for key in everything) + archived,
        disk_bytes=data.resources.disk_read_bytes.uint32,
        written_entries=len(footprint.read_write),
        written_bytes=data.resources.write_bytes.uint32,
        transaction_bytes=transaction_bytes,
    )


def of_envelope(envelope: Envelope) -> Resources:
    """Count what a contract transaction declares, its own size included."""
    data = envelope.soroban_data
    assert data is not None
    return declared(data, transaction_bytes=envelope.inner_bytes)


def non_refundable(resources: Resources) -> int:
    """Return the fee for the declared resources, used or not."""
    size = resources.transaction_bytes
    return (
        _portion(resources.instructions, PER_INSTRUCTION_STEP, INSTRUCTION_STEP)
        + resources.disk_entries * PER_DISK_ENTRY
        + resources.written_entries * PER_WRITTEN_ENTRY
        + _portion(resources.disk_bytes, PER_DISK_KB)
        + _portion(resources.written_bytes, PER_WRITTEN_KB)
        + _portion(size + RESULT_BYTES, PER_HISTORY_KB)
        + _portion(size, PER_TRANSACTION_KB)
    )


def of_events(size: int) -> int:
    """Return the fee for bytes of events and returned value; the unused part is refunded."""
    return _portion(size, PER_EVENTS_KB)


def rent(changes: Iterable[Change], *, sequence: int, per_kilobyte: int) -> int:
    """Return the rent of entries that grew or live longer; the unused part is refunded."""
    total = extended = 0
    for change in changes:
        before, after = change.before, change.after
        until = after.live_until or 0
        paid_until = sequence - 1 if before is None else before.live_until or 0
        fee = 0
        if until > paid_until:
            fee += _rent(change.key, size(after), until - paid_until, per_kilobyte)
            extended += 1
        if before is not None and size(after) > size(before) and paid_until >= sequence:
            growth, left = size(after) - size(before), paid_until - sequence + 1
            fee += _rent(change.key, growth, left, per_kilobyte)
        total += _divided(fee, CODE_DISCOUNT) if keys.is_code(change.key) else fee
    return total + extended * PER_WRITTEN_ENTRY + _portion(extended * TTL_BYTES, PER_WRITTEN_KB)


def size(entry: Entry) -> int:
    """Return how many bytes an entry occupies in the ledger."""
    return len(entry.data) + ENTRY_HEADER_BYTES


def are_within_limits(resources: Resources, footprint: xdr.LedgerFootprint) -> bool:
    """Tell whether a network accepts the resources that a transaction declares.

    Source: stellar-core, TransactionFrame.cpp, `checkSorobanResources`.
    """
    declared_keys = [*footprint.read_only, *footprint.read_write]
    return (
        resources.instructions <= INSTRUCTIONS_MAX
        and len(declared_keys) <= ENTRIES_MAX
        and resources.disk_entries <= DISK_ENTRIES_MAX
        and resources.disk_bytes <= DISK_BYTES_MAX
        and resources.written_entries <= WRITTEN_ENTRIES_MAX
        and resources.written_bytes <= WRITTEN_BYTES_MAX
        and resources.transaction_bytes <= TRANSACTION_BYTES_MAX
    )


def _rent(key: Key, size_bytes: int, ledgers: int, per_kilobyte: int) -> int:
    rate = PERSISTENT_RENT_LEDGERS if keys.is_persistent(key) else TEMPORARY_RENT_LEDGERS
    return _divided(size_bytes * per_kilobyte * ledgers, KILOBYTE * rate)


def _portion(amount: int, rate: int, step: int = KILOBYTE) -> int:
    return _divided(amount * rate, step)


def _divided(number: int, by: int) -> int:
    """Divide and round up."""
    return -(-number // by)
