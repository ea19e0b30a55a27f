"""Envelopes as XDR: put together, taken apart, named by their hash. Judges nothing."""

import hashlib

from stellar_sdk import FeeBumpTransactionEnvelope, Keypair, Network, TransactionEnvelope, xdr

from services.escrow.ports import EnvelopeRefused


def skeleton(
    *,
    source: str,
    sequence: int,
    max_time: int,
    fee: int,
    operations: list[xdr.Operation],
    soroban_data: xdr.SorobanTransactionData | None,
) -> xdr.Transaction:
    """Return a transaction with nothing in it but these: no memo, no other precondition.

    fee: stroops, the resource fee included.
    """
    ext = xdr.TransactionExt(0)
    if soroban_data is not None:
        ext = xdr.TransactionExt(1, soroban_data=soroban_data)
    return xdr.Transaction(
        source_account=Keypair.from_public_key(source).xdr_muxed_account(),
        fee=xdr.Uint32(fee),
        seq_num=xdr.SequenceNumber(xdr.Int64(sequence)),
        cond=time_bound(max_time),
        memo=xdr.Memo(xdr.MemoType.MEMO_NONE),
        operations=operations,
        ext=ext,
    )


def time_bound(max_time: int) -> xdr.Preconditions:
    """Return the only precondition our transactions have: a last close time."""
    bounds = xdr.TimeBounds(xdr.TimePoint(xdr.Uint64(0)), xdr.TimePoint(xdr.Uint64(max_time)))
    return xdr.Preconditions(xdr.PreconditionType.PRECOND_TIME, time_bounds=bounds)


def wrap(
    transaction: xdr.Transaction, signatures: list[xdr.DecoratedSignature] | None = None
) -> str:
    """Return the envelope of a transaction as base64."""
    return xdr.TransactionEnvelope(
        xdr.EnvelopeType.ENVELOPE_TYPE_TX,
        v1=xdr.TransactionV1Envelope(transaction, signatures or []),
    ).to_xdr()


def parse(envelope_xdr: str) -> xdr.TransactionV1Envelope:
    """Read the only kind of envelope we sign: neither a fee bump nor the old kind.

    Raises: EnvelopeRefused.
    """
    try:
        envelope = xdr.TransactionEnvelope.from_xdr(envelope_xdr)
        is_same = envelope.to_xdr() == envelope_xdr
    except (ValueError, EOFError, TypeError, KeyError) as error:
        raise EnvelopeRefused("the envelope cannot be read") from error
    if not is_same:
        raise EnvelopeRefused("the envelope has another spelling than its contents")
    if envelope.v1 is None:
        raise EnvelopeRefused(f"the envelope is of the kind {envelope.type.name}")
    return envelope.v1


def hash_of(transaction: xdr.Transaction, *, passphrase: str) -> bytes:
    """Return the 32 bytes that name a transaction on one network, and that its signers sign."""
    payload = xdr.TransactionSignaturePayload(
        xdr.Hash(Network(passphrase).network_id()),
        xdr.TransactionSignaturePayloadTaggedTransaction(
            xdr.EnvelopeType.ENVELOPE_TYPE_TX, tx=transaction
        ),
    )
    return hashlib.sha256(payload.to_xdr_bytes()).digest()


def names_of(envelope_xdr: str, *, passphrase: str) -> frozenset[str]:
    """Return the hashes by which nodes know an envelope of any kind: a fee bump has two.

    Raises: ValueError: it cannot be read.
    """
    try:
        if not FeeBumpTransactionEnvelope.is_fee_bump_transaction_envelope(envelope_xdr):
            return frozenset({TransactionEnvelope.from_xdr(envelope_xdr, passphrase).hash_hex()})
        bump = FeeBumpTransactionEnvelope.from_xdr(envelope_xdr, passphrase)
        inner = bump.transaction.inner_transaction_envelope
        return frozenset({bump.hash_hex(), inner.hash_hex()})
    except (ValueError, EOFError, TypeError, KeyError, AttributeError) as error:
        raise ValueError("the envelope cannot be read") from error
