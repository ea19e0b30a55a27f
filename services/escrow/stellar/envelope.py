"""Envelopes as XDR: composing, parsing, and hashing them. Judges nothing.

An envelope is its kind, the transaction, and the signatures. Reading and writing XDR objects is
slower than everything else in a step, so available bytes are joined without parsing.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache

from stellar_sdk import FeeBumpTransactionEnvelope, Keypair, Network, TransactionEnvelope, xdr

from services.escrow.ports import EnvelopeRefused
from services.escrow.stellar.addresses import public_key

KIND = xdr.EnvelopeType.ENVELOPE_TYPE_TX.to_xdr_bytes()
BUMP = xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP.to_xdr_bytes()
UNSIGNED = bytes(4)
# A signature is a hint, its length, and 64 bytes; a transaction has at most 20.
SIGNATURE_BYTES = 72
SIGNATURES_MAX = 20
# The position of the fee in a transaction: after a source account of the usual kind.
FEE_AT = 36
WITHOUT_RESOURCES, WITH_RESOURCES = bytes(4), (1).to_bytes(4, "big")
NO_EXTENSION, ONE = bytes(4), (1).to_bytes(4, "big")
# The head of a fee bump: its kind, its payer (an account of the usual kind), and the fee.
BUMP_HEAD = 48


def head(
    *, source: str, sequence: int, max_time: int, fee: int, memo: bytes, operations: bytes
) -> bytes:
    """Return the bytes of a `skeleton` up to its resources. operations: their number and XDR."""
    return b"".join(
        (
            public_key(source).xdr_muxed_account().to_xdr_bytes(),
            fee.to_bytes(4, "big"),
            sequence.to_bytes(8, "big", signed=True),
            time_bound(max_time).to_xdr_bytes(),
            memo,
            operations,
        )
    )


def enclose(transaction: bytes, signatures: Sequence[bytes] = ()) -> str:
    """Return the envelope of a transaction's bytes as base64. signatures: as `decorated`."""
    count = len(signatures).to_bytes(4, "big")
    return base64.b64encode(b"".join((KIND, transaction, count, *signatures))).decode()


def bumped(envelope: bytes, *, payer: str, fee: int) -> bytes:
    """Return the bytes of a fee bump around a signed envelope. Source: CAP-15."""
    source = public_key(payer).xdr_muxed_account().to_xdr_bytes()
    return b"".join((source, fee.to_bytes(8, "big"), envelope, NO_EXTENSION))


def enclose_bump(bump: bytes, signature: bytes) -> str:
    """Return the envelope of a fee bump's bytes as base64. signature: as `decorated`."""
    return base64.b64encode(b"".join((BUMP, bump, ONE, signature))).decode()


def bumped_fee(fee: int, *, resources: int, operations: int) -> int:
    """Return the fee that a fee bump must offer to bid as high as the transaction inside.

    fee: of the transaction inside; resources: the part of it that is not a bid. A fee bump bids for
    one operation more. Source: CAP-15.
    """
    return fee - (resources - fee) // operations


def decorated(signature: bytes, *, hint: bytes) -> bytes:
    """Return a signature with the hint that names its key."""
    return hint + len(signature).to_bytes(4, "big") + signature


def skeleton(
    *,
    source: str,
    sequence: int,
    max_time: int,
    fee: int,
    memo: bytes,
    operations: list[xdr.Operation],
    soroban_data: xdr.SorobanTransactionData | None,
) -> xdr.Transaction:
    """Return a transaction with exactly these parts, and no other precondition.

    fee: stroops, the resource fee included; memo: as XDR.
    """
    ext = xdr.TransactionExt(0)
    if soroban_data is not None:
        ext = xdr.TransactionExt(1, soroban_data=soroban_data)
    return xdr.Transaction(
        source_account=Keypair.from_public_key(source).xdr_muxed_account(),
        fee=xdr.Uint32(fee),
        seq_num=xdr.SequenceNumber(xdr.Int64(sequence)),
        cond=time_bound(max_time),
        memo=xdr.Memo.from_xdr_bytes(memo),
        operations=operations,
        ext=ext,
    )


def time_bound(max_time: int) -> xdr.Preconditions:
    """Return the only precondition of our transactions: a last close time."""
    bounds = xdr.TimeBounds(xdr.TimePoint(xdr.Uint64(0)), xdr.TimePoint(xdr.Uint64(max_time)))
    return xdr.Preconditions(xdr.PreconditionType.PRECOND_TIME, time_bounds=bounds)


@lru_cache(maxsize=64)
def resources(raw: bytes) -> xdr.SorobanTransactionData:
    """Parse the resources of a contract call, once for both builder and verifier.

    Raises: ValueError: they cannot be read, or are not spelled as XDR spells them.
    """
    try:
        data = xdr.SorobanTransactionData.from_xdr_bytes(raw)
        is_same = data.to_xdr_bytes() == raw
    except (EOFError, TypeError, KeyError, AttributeError) as error:
        raise ValueError("the resources cannot be read") from error
    if not is_same:
        raise ValueError("the resources have another spelling than their contents")
    return data


def wrap(
    transaction: xdr.Transaction, signatures: list[xdr.DecoratedSignature] | None = None
) -> str:
    """Return the envelope of a transaction as base64."""
    return xdr.TransactionEnvelope(
        xdr.EnvelopeType.ENVELOPE_TYPE_TX,
        v1=xdr.TransactionV1Envelope(transaction, signatures or []),
    ).to_xdr()


def decoded(envelope_xdr: str) -> bytes:
    """Return the bytes of an envelope. Raises: EnvelopeRefused: not base64 as we write it."""
    try:
        raw = base64.b64decode(envelope_xdr, validate=True)
    except ValueError as error:
        raise EnvelopeRefused("the envelope cannot be read") from error
    if base64.b64encode(raw).decode() != envelope_xdr:
        raise EnvelopeRefused("the envelope has another spelling than its contents")
    return raw


def parse(envelope_xdr: str) -> xdr.TransactionV1Envelope:
    """Parse an envelope of the only kind that we sign: no fee bump, and not the old kind.

    Raises: EnvelopeRefused.
    """
    return _plain(_read(envelope_xdr))


def landed(envelope_xdr: str) -> xdr.TransactionV1Envelope:
    """Parse an envelope that a ledger has; for a fee bump, the envelope inside.

    Anybody may pay for what we signed, and it lands unchanged. Source: CAP-15.
    Raises: EnvelopeRefused.
    """
    envelope = _read(envelope_xdr)
    if envelope.fee_bump is None:
        return _plain(envelope)
    inner = envelope.fee_bump.tx.inner_tx.v1
    if inner is None:
        raise EnvelopeRefused("the fee bump pays for nothing")
    return inner


def is_bump(envelope_xdr: str) -> bool:
    """Tell whether an envelope is a fee bump. Raises: EnvelopeRefused."""
    return decoded(envelope_xdr).startswith(BUMP)


def _read(envelope_xdr: str) -> xdr.TransactionEnvelope:
    try:
        envelope = xdr.TransactionEnvelope.from_xdr(envelope_xdr)
        is_same = envelope.to_xdr() == envelope_xdr
    except (ValueError, EOFError, TypeError, KeyError) as error:
        raise EnvelopeRefused("the envelope cannot be read") from error
    if not is_same:
        raise EnvelopeRefused("the envelope has another spelling than its contents")
    return envelope


def _plain(envelope: xdr.TransactionEnvelope) -> xdr.TransactionV1Envelope:
    if envelope.v1 is None:
        raise EnvelopeRefused(f"the envelope is of the kind {envelope.type.name}")
    return envelope.v1


def hash_of(transaction: xdr.Transaction, *, passphrase: str) -> bytes:
    """Return the 32 bytes that identify a transaction on a network; its signers sign them."""
    return digest_of(transaction.to_xdr_bytes(), passphrase=passphrase)


def digest_of(transaction: bytes, *, passphrase: str) -> bytes:
    """Return `hash_of` for a transaction's bytes."""
    return hashlib.sha256(_network_id(passphrase) + KIND + transaction).digest()


def bump_digest(bump: bytes, *, passphrase: str) -> bytes:
    """Return the 32 bytes that identify a fee bump; its payer signs them. bump: as `bumped`."""
    return hashlib.sha256(_network_id(passphrase) + BUMP + bump).digest()


def bump_hash(envelope_xdr: str, *, passphrase: str) -> str:
    """Return the hash of a fee bump as hex, "" for an envelope of another kind.

    Raises: EnvelopeRefused.
    """
    if not is_bump(envelope_xdr):
        return ""
    envelope = _read(envelope_xdr).fee_bump
    if envelope is None:
        raise EnvelopeRefused("the envelope is not of its kind")
    return bump_digest(envelope.tx.to_xdr_bytes(), passphrase=passphrase).hex()


@lru_cache(maxsize=16)
def _network_id(passphrase: str) -> bytes:
    return Network(passphrase).network_id()


def is_named(envelope_xdr: str, transaction_hash: str, *, passphrase: str) -> bool:
    """Tell whether a hash identifies the transaction of an envelope of any kind."""
    try:
        raw = base64.b64decode(envelope_xdr)
    except ValueError:
        return False
    if _is_signed_as(raw, transaction_hash, passphrase=passphrase):
        return True
    if raw.startswith(BUMP):
        # The form that we make: one signature after the transaction inside.
        inner = raw[BUMP_HEAD : -len(NO_EXTENSION + ONE) - SIGNATURE_BYTES]
        if _is_signed_as(inner, transaction_hash, passphrase=passphrase):
            return True
    try:
        return transaction_hash in names_of(envelope_xdr, passphrase=passphrase)
    except ValueError:
        return False


def _is_signed_as(raw: bytes, transaction_hash: str, *, passphrase: str) -> bool:
    """Tell whether a hash identifies the transaction in an envelope's bytes, without fee bump."""
    if not raw.startswith(KIND):
        return False
    for count in range(SIGNATURES_MAX + 1):
        end = len(raw) - len(UNSIGNED) - count * SIGNATURE_BYTES
        if raw[end : end + 4] == count.to_bytes(4, "big"):
            digest = digest_of(raw[len(KIND) : end], passphrase=passphrase)
            if digest.hex() == transaction_hash:
                return True
    return False


def names_of(envelope_xdr: str, *, passphrase: str) -> frozenset[str]:
    """Return the hashes by which nodes know an envelope of any kind; a fee bump has two.

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
