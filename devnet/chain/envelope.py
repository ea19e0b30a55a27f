"""Transaction envelopes: parsed once, hashed with the network id, signatures checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from stellar_sdk import xdr

from devnet.chain.addresses import account_raw, from_muxed, present
from devnet.chain.joining import array, number
from devnet.chain.reading import read_envelope

NAMES = {
    xdr.OperationType.EXTEND_FOOTPRINT_TTL: "extend_footprint_ttl",
    xdr.OperationType.BEGIN_SPONSORING_FUTURE_RESERVES: "begin_sponsoring",
    xdr.OperationType.END_SPONSORING_FUTURE_RESERVES: "end_sponsoring",
}

ENVELOPE_TAG_BYTES = 4


class InvalidEnvelopeError(ValueError):
    """The text is not a transaction envelope that this network accepts."""


@dataclass(frozen=True)
class FeeBump:
    """The outer half of a fee-bump envelope. fee: stroops offered by `source`."""

    source: str
    fee: int
    hash: bytes
    signatures: Sequence[xdr.DecoratedSignature]


@dataclass(frozen=True)
class Envelope:
    """A transaction as submitted.

    text: base64 as received. inner_hash: of the transaction itself, which identifies it within a
    fee bump too.
    """

    text: str
    tx: xdr.Transaction
    inner_hash: bytes
    signatures: Sequence[xdr.DecoratedSignature]
    fee_bump: FeeBump | None

    @property
    def hash(self) -> bytes:
        """The hash that the network answers with: the outer one for a fee bump."""
        return self.inner_hash if self.fee_bump is None else self.fee_bump.hash

    @cached_property
    def source(self) -> str:
        """The account whose sequence number is used, as G…."""
        return from_muxed(self.tx.source_account).account

    @property
    def sequence(self) -> int:
        """The sequence number that the transaction uses."""
        return self.tx.seq_num.sequence_number.int64

    @property
    def fee_payer(self) -> str:
        """The account that pays the fee."""
        return self.source if self.fee_bump is None else self.fee_bump.source

    @property
    def fee(self) -> int:
        """The offered fee in stroops, resource fee included."""
        return self.tx.fee.uint32 if self.fee_bump is None else self.fee_bump.fee

    @property
    def resource_fee(self) -> int:
        """The declared Soroban resource fee in stroops."""
        data = self.soroban_data
        return 0 if data is None else data.resource_fee.int64

    @property
    def soroban_data(self) -> xdr.SorobanTransactionData | None:
        """The footprint and resources of a contract transaction."""
        return self.tx.ext.soroban_data

    @cached_property
    def inner_bytes(self) -> int:
        """The size of the transaction with its signatures, without a fee bump around it."""
        if self.fee_bump is None:
            return len(self.text) // 4 * 3 - self.text.count("=", -2)
        raw = xdr.TransactionV1Envelope(self.tx, list(self.signatures))
        return len(raw.to_xdr_bytes()) + ENVELOPE_TAG_BYTES

    @cached_property
    def time_bounds(self) -> tuple[int, int]:
        """Earliest and latest close time in Unix seconds; a latest of 0 means unbounded."""
        conditions = self.tx.cond
        bounds = conditions.time_bounds
        if conditions.type == xdr.PreconditionType.PRECOND_V2:
            bounds = present(conditions.v2).time_bounds
        if bounds is None:
            return 0, 0
        return bounds.min_time.time_point.uint64, bounds.max_time.time_point.uint64

    @cached_property
    def function_name(self) -> str:
        """The transaction's kind: the name of the contract function or of the first operation."""
        if not self.tx.operations:
            return "nothing"
        names = [operation_name(operation) for operation in self.tx.operations]
        plain = [name for name in names if not name.endswith("_sponsoring")]
        return (plain or names)[0]


def operation_name(operation: xdr.Operation) -> str:
    """Name an operation: a contract call by its function, others by their type."""
    kind = operation.body.type
    call = operation.body.invoke_host_function_op
    if call is None:
        return NAMES.get(kind, kind.name.lower())
    invoked = call.host_function.invoke_contract
    if invoked is None:
        return call.host_function.type.name.lower()
    return invoked.function_name.sc_symbol.decode("ascii", "replace")


def operation_source(operation: xdr.Operation, envelope: Envelope) -> str:
    """Return the account that an operation acts for."""
    if operation.source_account is None:
        return envelope.source
    return from_muxed(operation.source_account).account


def parse(text: str, *, network_id: bytes) -> Envelope:
    """Read a base64 envelope.

    Raises: InvalidEnvelopeError: not XDR, or an envelope of another kind.
    """
    try:
        given = base64.b64decode(text, validate=True)
        raw = read_envelope(given)
        return _read(text, given, raw, network_id)
    except (ValueError, EOFError, IndexError, binascii.Error, RecursionError) as error:
        raise InvalidEnvelopeError(str(error)) from error


def _read(text: str, given: bytes, raw: xdr.TransactionEnvelope, network_id: bytes) -> Envelope:
    if raw.type == xdr.EnvelopeType.ENVELOPE_TYPE_TX:
        v1 = present(raw.v1)
        tx = _unsigned(given, v1.signatures)
        return Envelope(text, v1.tx, _hash_of(raw.type, tx, network_id), v1.signatures, None)
    if raw.type != xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP:
        raise InvalidEnvelopeError(f"unsupported envelope {raw.type.name}")
    outer = present(raw.fee_bump)
    inner = present(outer.tx.inner_tx.v1)
    bump = FeeBump(
        source=from_muxed(outer.tx.fee_source).account,
        fee=outer.tx.fee.int64,
        hash=_hash_of(raw.type, _unsigned(given, outer.signatures), network_id),
        signatures=outer.signatures,
    )
    kind, tx = xdr.EnvelopeType.ENVELOPE_TYPE_TX, inner.tx.to_xdr_bytes()
    return Envelope(text, inner.tx, _hash_of(kind, tx, network_id), inner.signatures, bump)


def _unsigned(given: bytes, signatures: Sequence[xdr.DecoratedSignature]) -> bytes:
    """Return the bytes between an envelope's kind and its signatures, which end it."""
    size = len(array([item.to_xdr_bytes() for item in signatures]))
    return given[ENVELOPE_TAG_BYTES : len(given) - size]


def _hash_of(kind: xdr.EnvelopeType, tx: bytes, network_id: bytes) -> bytes:
    """Return the signed hash, that of `TransactionSignaturePayload`."""
    return hashlib.sha256(network_id + number(kind) + tx).digest()


@lru_cache(maxsize=16384)
def verify(address: str, *, message: bytes, signature: bytes) -> bool:
    """Check an ed25519 signature of `address` over `message`.

    The result is cached, because a transaction's signatures are checked again when its ledger
    closes.
    """
    try:
        VerifyKey(account_raw(address)).verify(message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True
