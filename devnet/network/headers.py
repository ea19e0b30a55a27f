"""Closed ledgers as XDR: the header, whose hash names the ledger, and the whole of its content.

A header is built when its ledger closes, for its hash; the content only for who asks for it.
"""

import hashlib
from collections.abc import Sequence

from stellar_sdk import xdr

from devnet.chain import rules
from devnet.chain.addresses import present
from devnet.network.records import Header, TransactionRecord

NO_HASH = xdr.Hash(bytes(32))
TOTAL_COINS = 10**18
SKIPS = 4


def ledger_header(
    *,
    sequence: int,
    close_time: int,
    previous: str,
    tx_hashes: Sequence[str],
    results: Sequence[str],
) -> xdr.LedgerHeader:
    """Build a ledger's header. previous: the hash of the ledger before; results: base64 XDR.

    The network's buckets, coins and pools are not counted here, and stay the same.
    """
    value = xdr.StellarValue(
        tx_set_hash=_digest(tx_hashes),
        close_time=xdr.TimePoint(xdr.Uint64(close_time)),
        upgrades=[],
        ext=xdr.StellarValueExt(xdr.StellarValueType.STELLAR_VALUE_BASIC),
    )
    return xdr.LedgerHeader(
        ledger_version=xdr.Uint32(rules.PROTOCOL_VERSION),
        previous_ledger_hash=xdr.Hash(bytes.fromhex(previous)),
        scp_value=value,
        tx_set_result_hash=_digest(results),
        bucket_list_hash=NO_HASH,
        ledger_seq=xdr.Uint32(sequence),
        total_coins=xdr.Int64(TOTAL_COINS),
        fee_pool=xdr.Int64(0),
        inflation_seq=xdr.Uint32(0),
        id_pool=xdr.Uint64(0),
        base_fee=xdr.Uint32(rules.BASE_FEE),
        base_reserve=xdr.Uint32(rules.BASE_RESERVE),
        max_tx_set_size=xdr.Uint32(0),
        skip_list=[NO_HASH] * SKIPS,
        ext=xdr.LedgerHeaderExt(0),
    )


def _digest(texts: Sequence[str]) -> xdr.Hash:
    return xdr.Hash(hashlib.sha256("".join(texts).encode()).digest())


def hash_of(header: xdr.LedgerHeader) -> str:
    """Return the hash that names a ledger."""
    return hashlib.sha256(header.to_xdr_bytes()).hexdigest()


def rebuilt(
    header: Header, *, previous: Header | None, transactions: Sequence[TransactionRecord]
) -> xdr.LedgerHeader:
    """Build a closed ledger's header again. previous: None for the oldest ledger that is kept."""
    return ledger_header(
        sequence=header.sequence,
        close_time=header.close_time,
        previous=bytes(32).hex() if previous is None else previous.hash,
        tx_hashes=[record.hash for record in transactions],
        results=[record.result for record in transactions],
    )


def history_entry(header: Header, built: xdr.LedgerHeader) -> xdr.LedgerHeaderHistoryEntry:
    """Put a header beside the hash of its ledger."""
    found = xdr.Hash(bytes.fromhex(header.hash))
    return xdr.LedgerHeaderHistoryEntry(found, built, xdr.LedgerHeaderHistoryEntryExt(0))


def close_meta(
    entry: xdr.LedgerHeaderHistoryEntry, transactions: Sequence[TransactionRecord]
) -> xdr.LedgerCloseMeta:
    """Build a ledger's whole content: its transactions with their results and metas."""
    return xdr.LedgerCloseMeta(
        2,
        v2=xdr.LedgerCloseMetaV2(
            ext=xdr.LedgerCloseMetaExt(0),
            ledger_header=entry,
            tx_set=_transaction_set(entry.header.previous_ledger_hash, transactions),
            tx_processing=[_processing(record) for record in transactions],
            upgrades_processing=[],
            scp_info=[],
            total_byte_size_of_live_soroban_state=xdr.Uint64(0),
            evicted_keys=[],
        ),
    )


def _transaction_set(
    previous: xdr.Hash, transactions: Sequence[TransactionRecord]
) -> xdr.GeneralizedTransactionSet:
    """Put classic transactions into the first phase, contract ones into the second (CAP-63)."""
    envelopes = [xdr.TransactionEnvelope.from_xdr(record.envelope) for record in transactions]
    contract = [envelope for envelope in envelopes if _is_contract(envelope)]
    classic = [envelope for envelope in envelopes if not _is_contract(envelope)]
    fee = xdr.Int64(rules.BASE_FEE)
    component = xdr.TxSetComponent(
        xdr.TxSetComponentType.TXSET_COMP_TXS_MAYBE_DISCOUNTED_FEE,
        xdr.TxSetComponentTxsMaybeDiscountedFee(fee, classic),
    )
    stage = xdr.ParallelTxExecutionStage([xdr.DependentTxCluster(contract)])
    parallel = xdr.ParallelTxsComponent(fee, [stage] if contract else [])
    phases = [
        xdr.TransactionPhase(0, v0_components=[component] if classic else []),
        xdr.TransactionPhase(1, parallel_txs_component=parallel),
    ]
    return xdr.GeneralizedTransactionSet(1, xdr.TransactionSetV1(previous, phases))


def _is_contract(envelope: xdr.TransactionEnvelope) -> bool:
    inner = envelope.v1
    if inner is None:
        inner = present(present(envelope.fee_bump).tx.inner_tx.v1)
    return inner.tx.ext.soroban_data is not None


def _processing(record: TransactionRecord) -> xdr.TransactionResultMetaV1:
    nothing = xdr.LedgerEntryChanges([])
    return xdr.TransactionResultMetaV1(
        ext=xdr.ExtensionPoint(0),
        result=xdr.TransactionResultPair(
            xdr.Hash(bytes.fromhex(record.hash)), xdr.TransactionResult.from_xdr(record.result)
        ),
        fee_processing=nothing,
        tx_apply_processing=xdr.TransactionMeta.from_xdr(record.meta),
        post_tx_apply_fee_processing=nothing,
    )
