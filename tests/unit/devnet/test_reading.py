"""The devnet's own parsing and writing of envelopes and entries match the SDK's."""

import pytest
from stellar_sdk import Keypair, scval, xdr

from devnet.chain.addresses import present, sc_address
from devnet.chain.entries import (
    Account,
    Trustline,
    read_account,
    read_trustline,
    write_account,
    write_trustline,
)
from devnet.chain.reading import read_envelope
from devnet.chain.state import Entries, View
from tests.unit.devnet.world import IDENTITY, address

SOURCE = Keypair.from_raw_ed25519_seed(b"reader".ljust(32, b"."))


def call(amount: int) -> xdr.InvokeContractArgs:
    args = [scval.to_string("abcde"), scval.to_int128(amount)]
    return xdr.InvokeContractArgs(sc_address(IDENTITY.usdc_contract), xdr.SCSymbol(b"pay"), args)


def authorized(*amounts: int) -> xdr.SorobanAuthorizedInvocation:
    kind = xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN
    function = xdr.SorobanAuthorizedFunction(kind, contract_fn=call(amounts[0]))
    return xdr.SorobanAuthorizedInvocation(function, [authorized(one) for one in amounts[1:]])


def envelope(amount: int, *, fee: int = 100, number: int = 1) -> bytes:
    own = xdr.SorobanCredentials(xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT)
    entry = xdr.SorobanAuthorizationEntry(own, authorized(amount, 7, amount))
    kind = xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT
    function = xdr.HostFunction(kind, invoke_contract=call(amount))
    operation = xdr.InvokeHostFunctionOp(function, [entry])
    body = xdr.OperationBody(
        xdr.OperationType.INVOKE_HOST_FUNCTION, invoke_host_function_op=operation
    )
    tx = xdr.Transaction(
        SOURCE.xdr_muxed_account(),
        xdr.Uint32(fee),
        xdr.SequenceNumber(xdr.Int64(number)),
        xdr.Preconditions(xdr.PreconditionType.PRECOND_NONE),
        xdr.Memo(xdr.MemoType.MEMO_NONE),
        [xdr.Operation(None, body)],
        xdr.TransactionExt(0),
    )
    v1 = xdr.TransactionV1Envelope(tx, [SOURCE.sign_decorated(b"anything").to_xdr_object()])
    return xdr.TransactionEnvelope(xdr.EnvelopeType.ENVELOPE_TYPE_TX, v1=v1).to_xdr_bytes()


def test_cached_and_new_envelopes_are_parsed_as_by_the_sdk() -> None:
    given, with_fee = envelope(5), envelope(5, fee=900)

    assert read_envelope(given) == xdr.TransactionEnvelope.from_xdr_bytes(given)
    assert read_envelope(with_fee) == xdr.TransactionEnvelope.from_xdr_bytes(with_fee)
    assert read_envelope(with_fee).to_xdr_bytes() == with_fee


def test_operations_are_not_taken_from_an_earlier_envelope() -> None:
    read_envelope(envelope(5, number=2))
    read = present(read_envelope(envelope(6, number=2)).v1).tx.operations[0]

    invoked = present(present(read.body.invoke_host_function_op).host_function.invoke_contract)
    assert scval.from_int128(invoked.args[1]) == 6


def test_envelope_with_extra_or_missing_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="something follows"):
        read_envelope(envelope(5) + b"\0\0\0\0")
    with pytest.raises((ValueError, EOFError)):
        read_envelope(envelope(5)[:-4])


def test_entries_are_written_as_the_sdk_reads_them() -> None:
    view = View(Entries(), sequence=2)
    account = Account(
        address=address("buyer"),
        balance=10**10,
        sequence=2**40,
        sub_entries=3,
        sponsoring=1,
        sponsored=2,
        flags=6,
        home_domain=b"shop.example",
        thresholds=b"\1\2\3\4",
        signers=((address("seller"), 9),),
    )
    line = Trustline(
        address=address("buyer"), asset=IDENTITY.usdc, balance=5, limit=2**62, maintains=True
    )
    write_account(view, account)
    write_trustline(view, line)
    stored = [
        xdr.LedgerEntryData.from_xdr_bytes(present(one).data) for one in view.changes.values()
    ]

    assert read_account(view, account.address) == account
    assert read_trustline(view, line.address, line.asset) == line
    first, second = present(stored[0].account), present(stored[1].trust_line)
    counts = present(present(first.ext.v1).ext.v2)
    assert (counts.num_sponsored.uint32, counts.num_sponsoring.uint32) == (2, 1)
    assert first.home_domain.string32 == b"shop.example"
    assert first.signers[0].weight.uint32 == 9
    assert (second.balance.int64, second.limit.int64, second.flags.uint32) == (5, 2**62, 3)
