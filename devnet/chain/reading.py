"""Parses envelopes from XDR. Repeated parts are parsed once.

A transaction is simulated before it is sent, and a call appears again in its authorization. The SDK
would parse the same operations and arguments two and four times, which takes most of the time of a
simulation. Parsed parts are shared, so they must not be changed.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from stellar_sdk import xdr
from xdrlib3 import Unpacker

from devnet.chain.packed import PackedValue

# The depth to which the SDK parses. RFC 4506 has no limit.
DEPTH = 500
OPERATIONS_KEPT = 256
TX, INVOKE = xdr.EnvelopeType.ENVELOPE_TYPE_TX, xdr.OperationType.INVOKE_HOST_FUNCTION
CALL = xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT
AUTHORIZED_CALL = xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN

T = TypeVar("T")
Read = Callable[[Unpacker], T]


def read_envelope(given: bytes) -> xdr.TransactionEnvelope:
    """Parse an envelope as the SDK does.

    Raises: ValueError, EOFError, RecursionError: it is not an envelope.
    """
    unpacker = Unpacker(given)
    if xdr.EnvelopeType.unpack(unpacker) != TX:
        return xdr.TransactionEnvelope.from_xdr_bytes(given)
    tx = _transaction(unpacker, given)
    signatures = _several(unpacker, xdr.DecoratedSignature.unpack)
    if unpacker.get_position() != len(given):
        raise ValueError("something follows the envelope")
    return xdr.TransactionEnvelope(TX, v1=xdr.TransactionV1Envelope(tx, signatures))


def _transaction(unpacker: Unpacker, given: bytes) -> xdr.Transaction:
    source = xdr.MuxedAccount.unpack(unpacker)
    fee = xdr.Uint32.unpack(unpacker)
    sequence = xdr.SequenceNumber.unpack(unpacker)
    conditions = xdr.Preconditions.unpack(unpacker)
    memo = xdr.Memo.unpack(unpacker)
    place = _simulated(source.to_xdr_bytes(), sequence.sequence_number.int64)
    begin = unpacker.get_position()
    if place and given.startswith(place[0][0], begin):
        encoded, operations = place.pop()
        unpacker.set_position(begin + len(encoded))
    else:
        operations = _several(unpacker, lambda each: _operation(each, given))
        place[:] = [(given[begin : unpacker.get_position()], operations)]
    ext = xdr.TransactionExt.unpack(unpacker)
    return xdr.Transaction(source, fee, sequence, conditions, memo, operations, ext)


@lru_cache(maxsize=OPERATIONS_KEPT)
def _simulated(_source: bytes, _sequence: int) -> list[tuple[bytes, list[xdr.Operation]]]:
    """Return the place where a transaction's operations are kept until they are parsed again."""
    return []


def _operation(unpacker: Unpacker, given: bytes) -> xdr.Operation:
    source = xdr.MuxedAccount.unpack(unpacker) if unpacker.unpack_uint() else None
    begin = unpacker.get_position()
    is_call = xdr.OperationType.unpack(unpacker) == INVOKE
    if not is_call or xdr.HostFunctionType.unpack(unpacker) != CALL:
        unpacker.set_position(begin)
        return xdr.Operation(source, xdr.OperationBody.unpack(unpacker))
    reader = _Calls(unpacker, given)
    function = xdr.HostFunction(CALL, invoke_contract=reader.call())
    auth = _several(unpacker, reader.entry)
    invocation = xdr.InvokeHostFunctionOp(function, auth)
    return xdr.Operation(source, xdr.OperationBody(INVOKE, invoke_host_function_op=invocation))


class _Calls:
    """The calls of an operation. A call that appears again is parsed once."""

    def __init__(self, unpacker: Unpacker, given: bytes) -> None:
        self._unpacker = unpacker
        self._given = given
        self._read: list[tuple[bytes, xdr.InvokeContractArgs]] = []

    def call(self) -> xdr.InvokeContractArgs:
        begin = self._unpacker.get_position()
        for encoded, known in self._read:
            if self._given.startswith(encoded, begin):
                self._unpacker.set_position(begin + len(encoded))
                return known
        contract = xdr.SCAddress.unpack(self._unpacker)
        name = xdr.SCSymbol.unpack(self._unpacker)
        args: list[xdr.SCVal] = _several(self._unpacker, self._value)
        read = xdr.InvokeContractArgs(contract, name, args)
        self._read.append((self._since(begin), read))
        return read

    def entry(self, _unpacker: Unpacker) -> xdr.SorobanAuthorizationEntry:
        credentials = xdr.SorobanCredentials.unpack(self._unpacker)
        return xdr.SorobanAuthorizationEntry(credentials, self._invocation(DEPTH))

    def _invocation(self, depth: int) -> xdr.SorobanAuthorizedInvocation:
        if not depth:
            raise ValueError("the tree of calls is too deep")
        begin = self._unpacker.get_position()
        if xdr.SorobanAuthorizedFunctionType.unpack(self._unpacker) == AUTHORIZED_CALL:
            function = xdr.SorobanAuthorizedFunction(AUTHORIZED_CALL, contract_fn=self.call())
        else:
            self._unpacker.set_position(begin)
            function = xdr.SorobanAuthorizedFunction.unpack(self._unpacker)
        below = _several(self._unpacker, lambda _: self._invocation(depth - 1))
        return xdr.SorobanAuthorizedInvocation(function, below)

    def _value(self, unpacker: Unpacker) -> xdr.SCVal:
        begin = unpacker.get_position()
        value = xdr.SCVal.unpack(unpacker)
        return PackedValue(value, encoded=self._since(begin))

    def _since(self, begin: int) -> bytes:
        return self._given[begin : self._unpacker.get_position()]


def _several(unpacker: Unpacker, read: Read[T]) -> list[T]:
    """Parse an array. Raises: ValueError: the data is too short for it."""
    count = unpacker.unpack_uint()
    if count > len(unpacker.get_buffer()) - unpacker.get_position():
        raise ValueError(f"there are no {count} items")
    return [read(unpacker) for _ in range(count)]
