"""Closed ledgers as XDR: the header, whose hash identifies the ledger, and the whole content.

A header is built when its ledger closes, for its hash. The content is built only on request.
"""

import hashlib
from base64 import b64decode
from collections.abc import Sequence
from struct import Struct

from stellar_sdk import xdr

from devnet.chain import rules
from devnet.chain.addresses import present
from devnet.chain.joining import NO_EXTENSION, PRESENT, array, long_number, number
from devnet.network.records import Header, TransactionRecord

NO_HASH = bytes(32)
TOTAL_COINS = 10**18
SKIPS = 4
_MAYBE_DISCOUNTED_FEE = 0
"""The kind of a group of transactions that pay the same base fee."""

# XDR is joined by hand here: a ledger closes every second or faster, and most ledgers are empty.
# `LedgerHeader` without variable parts, because there are no upgrades. Source: Stellar-ledger.x.
_HEADER = Struct(">I 32s 32s QII 32s 32s I qq IQ III 128s I")


def ledger_header(
    *,
    sequence: int,
    close_time: int,
    previous: str,
    tx_hashes: Sequence[str],
    results: Sequence[str],
) -> bytes:
    """Return a ledger's header as XDR. previous: the hash of the ledger before; results: base64.

    The network's buckets, coins and pools are not counted here, and stay constant.
    """
    upgrades = extension = fee_pool = inflation = last_id = set_size_max = 0
    return _HEADER.pack(
        rules.PROTOCOL_VERSION,
        bytes.fromhex(previous),
        _digest(tx_hashes),
        *(close_time, upgrades, extension),
        _digest(results),
        NO_HASH,
        sequence,
        *(TOTAL_COINS, fee_pool),
        *(inflation, last_id),
        *(rules.BASE_FEE, rules.BASE_RESERVE, set_size_max),
        NO_HASH * SKIPS,
        extension,
    )


def _digest(texts: Sequence[str]) -> bytes:
    return hashlib.sha256("".join(texts).encode()).digest()


def hash_of(header: bytes) -> str:
    """Return the hash that identifies a ledger."""
    return hashlib.sha256(header).hexdigest()


def rebuilt(
    header: Header, *, previous: Header | None, transactions: Sequence[TransactionRecord]
) -> bytes:
    """Build a closed ledger's header again. previous: None for the oldest ledger kept."""
    return ledger_header(
        sequence=header.sequence,
        close_time=header.close_time,
        previous=_hash_of(previous).hex(),
        tx_hashes=[record.hash for record in transactions],
        results=[record.result for record in transactions],
    )


def _hash_of(previous: Header | None) -> bytes:
    return NO_HASH if previous is None else bytes.fromhex(previous.hash)


def history_entry(header: Header, built: bytes) -> bytes:
    """Join a header with the hash of its ledger: `LedgerHeaderHistoryEntry`."""
    return bytes.fromhex(header.hash) + built + NO_EXTENSION


def close_meta(
    entry: bytes, *, previous: Header | None, transactions: Sequence[TransactionRecord]
) -> bytes:
    """Join a ledger's whole content, `LedgerCloseMeta`: transactions with results and metas.

    previous: None for the oldest ledger kept.
    """
    size_of_live_data = 0
    return b"".join(
        (
            number(2),
            NO_EXTENSION,
            entry,
            _transaction_set(_hash_of(previous), transactions),
            array([_processing(record) for record in transactions]),
            # Upgrades, and messages of validators.
            *(array([]), array([])),
            long_number(size_of_live_data),
            # Keys that were evicted.
            array([]),
        )
    )


def _transaction_set(previous: bytes, transactions: Sequence[TransactionRecord]) -> bytes:
    """Put classic transactions into the first phase, contract ones into the second (CAP-63)."""
    envelopes = [b64decode(record.envelope) for record in transactions]
    contract = [envelope for envelope in envelopes if _is_contract(envelope)]
    classic = [envelope for envelope in envelopes if not _is_contract(envelope)]
    fee = PRESENT + long_number(rules.BASE_FEE)
    component = number(_MAYBE_DISCOUNTED_FEE) + fee + array(classic)
    stage = array([array(contract)])
    phases = [
        number(0) + array([component] if classic else []),
        number(1) + fee + array([stage] if contract else []),
    ]
    return number(1) + previous + array(phases)


def _is_contract(envelope: bytes) -> bool:
    parsed = xdr.TransactionEnvelope.from_xdr_bytes(envelope)
    inner = parsed.v1
    if inner is None:
        inner = present(present(parsed.fee_bump).tx.inner_tx.v1)
    return inner.tx.ext.soroban_data is not None


def _processing(record: TransactionRecord) -> bytes:
    """Return `TransactionResultMetaV1`, without the changes by fees."""
    changes = array([])
    result = bytes.fromhex(record.hash) + b64decode(record.result)
    return NO_EXTENSION + result + changes + b64decode(record.meta) + changes
