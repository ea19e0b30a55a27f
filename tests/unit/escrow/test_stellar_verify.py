"""The verifier refuses every envelope that differs from its intent in any field."""

import base64
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import Asset, Payment, scval, xdr

from services.escrow.contracts.intents import Intent
from services.escrow.ports import ChainRefused, EnvelopeRefused, FeesTooHigh
from services.escrow.stellar.addresses import sc_address
from services.escrow.stellar.envelope import enclose, hash_of, wrap
from tests.unit.escrow.other_intents import other_intents
from tests.unit.escrow.stellar_envelopes import (
    ACTORS,
    ASSET_CONTRACT,
    FRAME,
    INSTANCE,
    INTENTS,
    ISSUER,
    OPTIONS,
    PASSPHRASE,
    PLATFORM,
    SELLER,
    account,
    address_of,
    blueprints,
    contract_of,
    entry_key,
    holding,
    invocation,
    key_of,
    mutants,
    own_storage,
    recoded,
    valid_envelope,
    valid_transaction,
    verifier,
)

CALLS = [name for name, intent in INTENTS.items() if blueprints().of(intent).is_contract_call]
# A builder may choose fees and resources within limits, and a smaller footprint.
FREE = re.compile(
    r"v1\.tx\.(fee\.uint32"
    r"|ext\.soroban_data\.(resources\.(instructions|disk_read_bytes|write_bytes)\.uint32"
    r"|resource_fee\.int64|resources\.footprint\.(read_only|read_write))) #\d+"
)


@pytest.mark.parametrize("name", INTENTS)
def test_intended_envelope_passes_unchanged(name: str) -> None:
    intent = INTENTS[name]

    verified = verifier().verify(valid_envelope(intent), intent, **FRAME)

    assert enclose(verified.transaction) == valid_envelope(intent)


@pytest.mark.slow
def test_no_changed_field_of_any_envelope_passes(record_property: Callable[..., None]) -> None:
    refused: Counter[str] = Counter()
    passed: list[str] = []

    checked = verifier()
    for name, intent in INTENTS.items():
        valid, free = valid_envelope(intent), own_storage(intent)
        for where, text in mutants(recoded(valid)):
            if text == valid or FREE.fullmatch(where) or where.startswith(free):
                continue
            try:
                checked.verify(text, intent, **FRAME)
            except EnvelopeRefused:
                refused[name] += 1
            else:
                passed.append(f"{name}: {where}")

    record_property("mutants refused", refused.total())
    assert passed == []
    assert set(refused) == set(INTENTS)
    assert refused.total() > 2_000


@pytest.mark.parametrize("name", INTENTS)
def test_an_envelope_of_another_intent_does_not_pass(name: str) -> None:
    intent, text = INTENTS[name], valid_envelope(INTENTS[name])
    others = [*other_intents(intent), *((n, i) for n, i in INTENTS.items() if n != name)]
    passed = []

    for where, other in others:
        try:
            verifier().verify(text, other, **FRAME)
        except (EnvelopeRefused, ChainRefused):
            continue
        passed.append(where)

    # A release names no payees: the contract stores them. Here they only widen the footprint.
    footprint_only = {"receiver", "platform"} if name == "release_funds" else set()
    assert set(passed) <= footprint_only | ({"platform"} if name == "resolve_dispute" else set())


@pytest.mark.parametrize("name", INTENTS)
@pytest.mark.parametrize(
    "frame",
    [{"source": address_of("x")}, {"sequence": 4243}, {"max_time": FRAME["max_time"] + 1}],
    ids=["source", "sequence", "max_time"],
)
def test_envelope_with_another_source_sequence_or_time_limit_does_not_pass(
    name: str, frame: dict[str, Any]
) -> None:
    with pytest.raises(EnvelopeRefused):
        verifier().verify(valid_envelope(INTENTS[name]), INTENTS[name], **{**FRAME, **frame})


def refusal_of(transaction: xdr.Transaction, intent: Intent) -> str:
    with pytest.raises(EnvelopeRefused) as refusal:
        verifier().verify(wrap(transaction), intent, **FRAME)
    return str(refusal.value)


def changed(name: str, change: Callable[[xdr.Transaction], object]) -> str:
    transaction = valid_transaction(INTENTS[name])
    change(transaction)
    return refusal_of(transaction, INTENTS[name])


@pytest.mark.parametrize("name", INTENTS)
def test_a_memo_is_refused(name: str) -> None:
    def memo(tx: xdr.Transaction) -> None:
        tx.memo = xdr.Memo(xdr.MemoType.MEMO_TEXT, text=b"hello")

    assert changed(name, memo) == "memo differs"


@pytest.mark.parametrize("name", INTENTS)
def test_no_other_precondition_passes(name: str) -> None:
    bounds = xdr.TimeBounds(
        xdr.TimePoint(xdr.Uint64(0)), xdr.TimePoint(xdr.Uint64(FRAME["max_time"]))
    )
    zero = xdr.Duration(xdr.Uint64(0))
    two = xdr.PreconditionsV2(bounds, None, None, zero, xdr.Uint32(0), [])
    for cond in (
        xdr.Preconditions(xdr.PreconditionType.PRECOND_NONE),
        xdr.Preconditions(xdr.PreconditionType.PRECOND_V2, v2=two),
    ):
        transaction = valid_transaction(INTENTS[name])
        transaction.cond = cond

        assert refusal_of(transaction, INTENTS[name]) == "cond differs"


@pytest.mark.parametrize("name", INTENTS)
def test_an_extra_operation_is_refused(name: str) -> None:
    payment = Payment(address_of("thief"), Asset("USDC", ISSUER), "1", source=PLATFORM)

    def smuggle(tx: xdr.Transaction) -> None:
        tx.operations.append(payment.to_xdr_object())

    changed(name, smuggle)


@pytest.mark.parametrize("name", INTENTS)
def test_fee_bump_from_a_builder_is_refused(name: str) -> None:
    intent = INTENTS[name]
    inner = recoded(valid_envelope(intent)).v1
    assert inner is not None
    bump = xdr.FeeBumpTransaction(
        inner.tx.source_account,
        xdr.Int64(10_000),
        xdr.FeeBumpTransactionInnerTx(xdr.EnvelopeType.ENVELOPE_TYPE_TX, v1=inner),
        xdr.FeeBumpTransactionExt(0),
    )
    bumped = xdr.TransactionEnvelope(
        xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP,
        fee_bump=xdr.FeeBumpTransactionEnvelope(bump, []),
    )
    with pytest.raises(EnvelopeRefused, match="ENVELOPE_TYPE_TX_FEE_BUMP"):
        verifier().verify(bumped.to_xdr(), intent, **FRAME)


@pytest.mark.parametrize("name", INTENTS)
def test_already_signed_envelope_is_refused(name: str) -> None:
    signature = xdr.DecoratedSignature(xdr.SignatureHint(b"abcd"), xdr.Signature(b"\0" * 64))
    text = wrap(valid_transaction(INTENTS[name]), [signature])

    with pytest.raises(EnvelopeRefused, match="signed it already"):
        verifier().verify(text, INTENTS[name], **FRAME)


@pytest.mark.parametrize("name", INTENTS)
def test_the_same_envelope_of_another_network_has_another_hash(name: str) -> None:
    transaction = valid_transaction(INTENTS[name])

    assert hash_of(transaction, passphrase=PASSPHRASE) != hash_of(transaction, passphrase="Other")


FOREIGN = {
    "a stranger's trustline": holding(address_of("stranger")),
    "another contract's balance": holding(contract_of("other")),
    "another contract": entry_key(contract_of("other"), INSTANCE),
    "the asset's contract": entry_key(ASSET_CONTRACT, INSTANCE),
    "the wallet's account": account(PLATFORM),
    "an authorisation's nonce": entry_key(PLATFORM, scval.to_uint64(7), temporary=True),
    "the code": xdr.LedgerKey(
        xdr.LedgerEntryType.CONTRACT_CODE,
        contract_code=xdr.LedgerKeyContractCode(xdr.Hash(b"\1" * 32)),
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_call_that_would_write_a_foreign_entry_is_refused(name: str, foreign: str) -> None:
    def reach(tx: xdr.Transaction) -> None:
        assert tx.ext.soroban_data is not None
        tx.ext.soroban_data.resources.footprint.read_write.append(FOREIGN[foreign])

    assert changed(name, reach) == "it would write a foreign entry"


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("foreign", ["a stranger's trustline", "another contract"])
def test_a_call_that_would_read_a_foreign_entry_is_refused(name: str, foreign: str) -> None:
    def reach(tx: xdr.Transaction) -> None:
        assert tx.ext.soroban_data is not None
        tx.ext.soroban_data.resources.footprint.read_only.append(FOREIGN[foreign])

    assert changed(name, reach) == "it would read a foreign entry"


@pytest.mark.parametrize("name", CALLS)
def test_restoring_entries_it_does_not_write_is_refused(name: str) -> None:
    def restore(tx: xdr.Transaction) -> None:
        assert tx.ext.soroban_data is not None
        extension = xdr.SorobanResourcesExtV0([xdr.Uint32(40)])
        tx.ext.soroban_data.ext = xdr.SorobanTransactionDataExt(1, resource_ext=extension)

    assert changed(name, restore) == "it restores entries outside its footprint"


@pytest.mark.parametrize("name", CALLS)
def test_call_may_restore_entries_that_it_writes(name: str) -> None:
    transaction = valid_transaction(INTENTS[name])
    assert transaction.ext.soroban_data is not None
    extension = xdr.SorobanResourcesExtV0([xdr.Uint32(0)])
    transaction.ext.soroban_data.ext = xdr.SorobanTransactionDataExt(1, resource_ext=extension)

    verifier().verify(wrap(transaction), INTENTS[name], **FRAME)


def entry_of(tx: xdr.Transaction) -> xdr.SorobanAuthorizationEntry:
    call = tx.operations[0].body.invoke_host_function_op
    assert call is not None
    return call.auth[0]


def detached(kind: str, wallet: str) -> xdr.SorobanCredentials:
    """Return credentials whose signature would be valid in any envelope."""
    unsigned = xdr.SorobanAddressCredentials(
        sc_address(wallet), xdr.Int64(7), xdr.Uint32(0), scval.to_void()
    )
    kinds = xdr.SorobanCredentialsType
    if kind == "address":
        return xdr.SorobanCredentials(kinds.SOROBAN_CREDENTIALS_ADDRESS, address=unsigned)
    if kind == "address_v2":
        return xdr.SorobanCredentials(kinds.SOROBAN_CREDENTIALS_ADDRESS_V2, address_v2=unsigned)
    delegated = xdr.SorobanAddressCredentialsWithDelegates(unsigned, [])
    return xdr.SorobanCredentials(
        kinds.SOROBAN_CREDENTIALS_ADDRESS_WITH_DELEGATES, address_with_delegates=delegated
    )


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["address", "address_v2", "delegates"])
def test_detachable_authorisation_is_refused(name: str, kind: str) -> None:
    def loosen(tx: xdr.Transaction) -> None:
        entry_of(tx).credentials = detached(kind, address_of(ACTORS[name]))

    assert changed(name, loosen).startswith("operation 0")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("source", [None, "thief", "channel"])
def test_call_from_another_source_account_is_refused(name: str, source: str | None) -> None:
    def rename(tx: xdr.Transaction) -> None:
        account = None if source is None else key_of(source).xdr_muxed_account()
        tx.operations[0].source_account = account

    assert changed(name, rename).startswith("operation 0")


@pytest.mark.parametrize("name", CALLS)
def test_authorisation_of_further_calls_is_refused(name: str) -> None:
    approve = xdr.InvokeContractArgs(
        sc_address(ASSET_CONTRACT), xdr.SCSymbol(b"approve"), [scval.to_address(SELLER)]
    )

    def extend(tx: xdr.Transaction) -> None:
        entry_of(tx).root_invocation.sub_invocations.append(invocation(approve))

    assert changed(name, extend).startswith("operation 0")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("entries", [0, 2])
def test_a_call_has_exactly_one_authorisation(name: str, entries: int) -> None:
    def repeat(tx: xdr.Transaction) -> None:
        call = tx.operations[0].body.invoke_host_function_op
        assert call is not None
        call.auth = [entry_of(tx)] * entries

    assert changed(name, repeat).startswith("operation 0")


def test_funding_without_its_transfer_in_the_authorisation_is_refused() -> None:
    def shorten(tx: xdr.Transaction) -> None:
        entry_of(tx).root_invocation.sub_invocations.clear()

    assert changed("fund_escrow", shorten).startswith("operation 0")


@pytest.mark.parametrize("name", CALLS)
def test_a_call_without_resources_is_refused(name: str) -> None:
    def strip(tx: xdr.Transaction) -> None:
        tx.ext = xdr.TransactionExt(0)

    assert changed(name, strip) == "it declares no resources"


def test_call_of_an_unknown_build_is_refused_first() -> None:
    intent = INTENTS["fund_escrow"]
    unknown = next(i for where, i in other_intents(intent) if where == "wasm_hash")

    with pytest.raises(ChainRefused, match="no profile"):
        verifier().verify(valid_envelope(intent), unknown, **FRAME)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(INTENTS)))
def test_no_flipped_byte_passes_as_another_transaction(data: st.DataObject, name: str) -> None:
    raw = bytearray(base64.b64decode(valid_envelope(INTENTS[name])))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))

    try:
        verified = verifier().verify(base64.b64encode(raw).decode(), INTENTS[name], **FRAME)
    except (EnvelopeRefused, FeesTooHigh):
        return
    # The envelope passed, so only what a builder may choose has changed, and not the call.
    meant = valid_transaction(INTENTS[name])
    passed = xdr.Transaction.from_xdr_bytes(verified.transaction)
    assert passed.operations == meant.operations
    assert passed.fee.uint32 == verified.fee <= OPTIONS.max_fee


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=400))
def test_no_bytes_crash_the_verifier(raw: bytes) -> None:
    with pytest.raises(EnvelopeRefused):
        verifier().verify(base64.b64encode(raw).decode(), INTENTS["fund_escrow"], **FRAME)


@pytest.mark.parametrize("text", ["", "AAAA", "%%%", "ä", "A" * 100_000])
def test_a_text_that_is_no_envelope_is_refused(text: str) -> None:
    with pytest.raises(EnvelopeRefused):
        verifier().verify(text, INTENTS["fund_escrow"], **FRAME)
