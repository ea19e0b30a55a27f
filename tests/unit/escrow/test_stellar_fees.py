"""Fee limits: an envelope with too low fees is refused; too high fees are retried later."""

import pytest
from stellar_sdk import xdr

from services.escrow.ports import EnvelopeRefused, FeesTooHigh
from services.escrow.stellar.envelope import wrap
from tests.unit.escrow.stellar_envelopes import (
    FEE,
    FRAME,
    INTENTS,
    OPTIONS,
    blueprints,
    valid_transaction,
    verifier,
)

CALLS = [name for name, intent in INTENTS.items() if blueprints().of(intent).is_contract_call]


def call_at(name: str, *, fee: int, resource_fee: int) -> str:
    """Return the envelope of a contract call with other fees."""
    transaction = valid_transaction(INTENTS[name])
    assert transaction.ext.soroban_data is not None
    transaction.fee = xdr.Uint32(fee)
    transaction.ext.soroban_data.resource_fee = xdr.Int64(resource_fee)
    return wrap(transaction)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("fee", "resource_fee"),
    [
        (FEE, FEE - 99),
        (FEE, FEE + 1),
        (FEE, -1),
    ],
)
def test_fees_below_their_limits_are_refused(name: str, fee: int, resource_fee: int) -> None:
    with pytest.raises(EnvelopeRefused, match="fee"):
        verifier().verify(call_at(name, fee=fee, resource_fee=resource_fee), INTENTS[name], **FRAME)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("fee", "resource_fee"),
    [
        (OPTIONS.max_fee + 1, OPTIONS.max_fee - 1_000),
        (FEE + OPTIONS.inclusion_fee_max, FEE - 1_000),
    ],
)
def test_fees_above_their_limits_are_retried_later_and_not_signed(
    name: str, fee: int, resource_fee: int
) -> None:
    with pytest.raises(FeesTooHigh):
        verifier().verify(call_at(name, fee=fee, resource_fee=resource_fee), INTENTS[name], **FRAME)


@pytest.mark.parametrize("name", CALLS)
def test_payer_of_a_fee_bump_pays_no_more_than_the_limit(name: str) -> None:
    # The bid of 1,000 counts twice in a fee bump.
    envelope = call_at(name, fee=OPTIONS.max_fee - 999, resource_fee=OPTIONS.max_fee - 1_999)
    verifier().verify(envelope, INTENTS[name], **FRAME)

    with pytest.raises(FeesTooHigh):
        verifier().verify(envelope, INTENTS[name], **FRAME, is_bumped=True)


def test_wrong_envelope_is_refused_whatever_its_fee() -> None:
    transaction = valid_transaction(INTENTS["create_wallet"])
    transaction.fee = xdr.Uint32(OPTIONS.max_fee + 1)

    with pytest.raises(EnvelopeRefused):
        verifier().verify(wrap(transaction), INTENTS["trust_asset"], **FRAME)


@pytest.mark.parametrize("name", ["create_wallet", "create_channels", "trust_asset"])
def test_bid_below_the_minimum_is_refused(name: str) -> None:
    transaction = valid_transaction(INTENTS[name])
    transaction.fee = xdr.Uint32(99 * len(transaction.operations))

    with pytest.raises(EnvelopeRefused, match="below the least"):
        verifier().verify(wrap(transaction), INTENTS[name], **FRAME)


@pytest.mark.parametrize("name", ["create_wallet", "create_channels", "trust_asset"])
def test_a_bid_above_its_limit_is_not_signed(name: str) -> None:
    transaction = valid_transaction(INTENTS[name])
    bid = (OPTIONS.classic_fee_max + 1) * len(transaction.operations)
    transaction.fee = xdr.Uint32(bid)

    with pytest.raises(FeesTooHigh):
        verifier().verify(wrap(transaction), INTENTS[name], **FRAME)
