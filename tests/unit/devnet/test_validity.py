"""Validity of a transaction: its shape, fees and balances; the wire tests cover the rest."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import (
    Account,
    AccountMerge,
    Asset,
    ChangeTrust,
    ExtendFootprintTTL,
    Keypair,
    Operation,
    SetOptions,
    SetTrustLineFlags,
    SorobanDataBuilder,
    TransactionBuilder,
    xdr,
)

from devnet.chain import validity
from devnet.chain.entries import Account as AccountEntry
from devnet.chain.entries import write_account
from devnet.chain.envelope import parse
from tests.unit.devnet.world import IDENTITY, World

Code = xdr.TransactionResultCode
NOW = 1_000
RICH = Keypair.from_raw_ed25519_seed(b"rich".ljust(32, b"."))
POOR = Keypair.from_raw_ed25519_seed(b"poor".ljust(32, b"."))
TRUST = ChangeTrust(Asset("USDC", IDENTITY.usdc.issuer))
FEE = 20_000
EXTEND = ExtendFootprintTTL(10)


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    for keypair, balance in ((RICH, 10**9), (POOR, 10_000_000)):
        write_account(
            world.view, AccountEntry(address=keypair.public_key, balance=balance, sequence=0)
        )
    return world


def builder(
    source: Keypair, operations: Sequence[Operation], *, base_fee: int = 100
) -> TransactionBuilder:
    made = TransactionBuilder(Account(source.public_key, 0), IDENTITY.passphrase, base_fee)
    for operation in operations:
        made.append_operation(operation)
    return made.add_time_bounds(0, NOW)


def refused(world: World, envelope: Any) -> xdr.TransactionResultCode | None:
    parsed = parse(envelope.to_xdr(), network_id=IDENTITY.network_id)
    result = validity.check(parsed, view=world.view, now=NOW)
    return None if result is None else result.result.code


def signed(made: TransactionBuilder, signer: Keypair) -> Any:
    envelope = made.build()
    envelope.sign(signer)
    return envelope


def soroban_data() -> xdr.SorobanTransactionData:
    made: Any = SorobanDataBuilder  # the class has no annotations
    data: xdr.SorobanTransactionData = made().set_resource_fee(FEE).build()
    return data


def test_a_plain_transaction_is_valid_until_its_last_second(world: World) -> None:
    assert refused(world, signed(builder(RICH, [TRUST]), RICH)) is None


def test_a_transaction_without_time_bounds_never_expires(world: World) -> None:
    tx = signed(builder(RICH, [TRUST]), RICH).to_xdr_object()
    tx.v1.tx.cond = xdr.Preconditions(xdr.PreconditionType.PRECOND_NONE)

    # Only its signature, which was made for another content, is missing.
    assert refused(world, tx) == Code.txBAD_AUTH


def test_contract_operation_must_be_alone_and_declare_its_resources(world: World) -> None:
    alone = builder(RICH, [EXTEND], base_fee=100 + FEE).set_soroban_data(soroban_data())
    beside = builder(RICH, [EXTEND, TRUST]).set_soroban_data(soroban_data())

    assert refused(world, signed(alone, RICH)) is None
    assert refused(world, signed(beside, RICH)) == Code.txMALFORMED
    assert refused(world, signed(builder(RICH, [EXTEND]), RICH)) == Code.txSOROBAN_INVALID
    classic = builder(RICH, [TRUST]).set_soroban_data(soroban_data())
    assert refused(world, signed(classic, RICH)) == Code.txMALFORMED


def test_preconditions_beyond_time_are_not_supported(world: World) -> None:
    made = builder(RICH, [TRUST]).set_ledger_bounds(1, 5)

    assert refused(world, signed(made, RICH)) == Code.txNOT_SUPPORTED


def test_fee_is_paid_from_the_balance_above_the_reserve(world: World) -> None:
    assert refused(world, signed(builder(POOR, [TRUST]), POOR)) == Code.txINSUFFICIENT_BALANCE


def bump(inner: Any, payer: Keypair, base_fee: int = 100) -> Any:
    envelope = TransactionBuilder.build_fee_bump_transaction(
        payer, base_fee, inner, IDENTITY.passphrase
    )
    envelope.sign(payer)
    return envelope


def test_a_fee_bump_pays_for_an_account_without_money(world: World) -> None:
    inner = signed(builder(POOR, [TRUST]), POOR)

    assert refused(world, bump(inner, RICH)) is None


def test_a_fee_bump_needs_a_payer_with_enough_money(world: World) -> None:
    inner = signed(builder(RICH, [TRUST]), RICH)

    assert refused(world, bump(inner, POOR)) == Code.txINSUFFICIENT_BALANCE
    assert refused(world, bump(inner, Keypair.random())) == Code.txNO_ACCOUNT


def test_fee_bump_must_offer_for_one_more_operation(world: World) -> None:
    envelope = bump(signed(builder(RICH, [TRUST]), RICH), RICH)
    tx = envelope.to_xdr_object()
    tx.fee_bump.tx.fee = xdr.Int64(199)

    assert refused(world, tx) == Code.txINSUFFICIENT_FEE


def test_fee_bump_must_bid_as_high_as_its_inner_transaction(world: World) -> None:
    inner = signed(builder(RICH, [TRUST], base_fee=500), RICH)
    envelope = bump(inner, RICH, base_fee=500)
    assert refused(world, envelope) is None
    tx = envelope.to_xdr_object()
    tx.fee_bump.tx.fee = xdr.Int64(999)

    assert refused(world, tx) == Code.txINSUFFICIENT_FEE


def test_a_fee_bump_carries_one_signature_only(world: World) -> None:
    envelope = bump(signed(builder(RICH, [TRUST]), RICH), RICH)
    envelope.sign(POOR)

    assert refused(world, envelope) == Code.txBAD_AUTH_EXTRA


def test_refusal_of_the_inner_transaction_is_in_the_inner_result(world: World) -> None:
    envelope = bump(signed(builder(RICH, [TRUST]), POOR), RICH)
    parsed = parse(envelope.to_xdr(), network_id=IDENTITY.network_id)

    result = validity.check(parsed, view=world.view, now=NOW)

    assert result is not None
    assert result.result.code == Code.txFEE_BUMP_INNER_FAILED
    pair = result.result.inner_result_pair
    assert pair is not None
    assert pair.result.result.code == Code.txBAD_AUTH


def weighed(world: World, **changes: Any) -> World:
    """Return a ledger on which RICH has other weights, and POOR as a signer of weight 2."""
    view = world.view.child()
    account = AccountEntry(address=RICH.public_key, balance=10**9, sequence=0)
    signers = ((POOR.public_key, 2),)
    write_account(view, replace(account, signers=signers, **changes))
    other = World()
    other.view = view
    return other


def test_additional_signer_may_sign_for_an_account(world: World) -> None:
    """SignatureChecker.cpp: weights are added until the threshold is reached."""
    both = signed(builder(RICH, [TRUST]), RICH)
    both.sign(POOR)

    assert refused(weighed(world), signed(builder(RICH, [TRUST]), POOR)) is None
    assert refused(weighed(world, thresholds=bytes([1, 0, 3, 0])), both) is None
    assert refused(weighed(world, thresholds=bytes([1, 0, 4, 0])), both) == Code.txFAILED
    assert refused(weighed(world), both) == Code.txBAD_AUTH_EXTRA
    alone = signed(builder(RICH, [TRUST]), RICH)
    assert refused(weighed(world, thresholds=bytes([0, 0, 0, 0])), alone) == Code.txBAD_AUTH


@pytest.mark.parametrize(
    ("operation", "thresholds", "code"),
    [
        (AccountMerge(POOR.public_key), [1, 0, 1, 2], Code.txFAILED),
        (SetOptions(high_threshold=1), [1, 0, 1, 2], Code.txFAILED),
        (SetOptions(home_domain="x"), [1, 0, 1, 2], None),
        (TRUST, [1, 0, 2, 0], Code.txFAILED),
        (SetTrustLineFlags(POOR.public_key, Asset("USDC", RICH.public_key)), [1, 1, 2, 2], None),
    ],
)
def test_operations_have_threshold_levels(
    world: World, operation: Operation, thresholds: list[int], code: object
) -> None:
    """OperationFrame.cpp, `getThresholdLevel`: low, medium or high."""
    ledger = weighed(world, thresholds=bytes(thresholds))

    assert refused(ledger, signed(builder(RICH, [operation]), RICH)) == code
