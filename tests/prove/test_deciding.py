"""Tests of what an operator reads from a payout, and asks for after a restore."""

from typing import Any

import pytest
from stellar_sdk import Account, Keypair, Network, TransactionBuilder, scval, xdr

from kernel.money import CENT
from tests.prove.deciding import Payout, payout_in, request_for
from tests.prove.flows import DISPUTE, REFUND, RELEASE

CONTRACT = "CAAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQC526"
OTHER = "CABAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAFNSZ"
BUYER, SELLER, KEY = (Keypair.random() for _ in range(3))


def envelope(function: str, *arguments: xdr.SCVal, contract: str = CONTRACT) -> str:
    builder = TransactionBuilder(Account(KEY.public_key, 1), Network.TESTNET_NETWORK_PASSPHRASE)
    builder.append_invoke_contract_function_op(contract, function, list(arguments))
    return builder.set_timeout(0).build().to_xdr()


def division(*, to_buyer: int, to_seller: int, contract: str = CONTRACT) -> str:
    shares = {BUYER.public_key: to_buyer, SELLER.public_key: to_seller}
    items = {
        scval.to_address(address): scval.to_int128(amount)
        for address, amount in shares.items()
        if amount
    }
    resolver = scval.to_address(KEY.public_key)
    return envelope("resolve_dispute", resolver, scval.to_map(items), contract=contract)


@pytest.mark.parametrize(
    ("landed", "payout"),
    [
        (envelope("release_funds"), Payout(is_release=True)),
        (division(to_buyer=3, to_seller=4), Payout(is_release=False, to_buyer=3, to_seller=4)),
        (division(to_buyer=7, to_seller=0), Payout(is_release=False, to_buyer=7)),
        (division(to_buyer=7, to_seller=0, contract=OTHER), None),
        (envelope("release_funds", contract=OTHER), None),
        (envelope("approve_milestone"), None),
    ],
)
def test_payout_is_read_from_the_call_of_its_contract(landed: str, payout: Payout | None) -> None:
    assert payout_in(landed, contract=CONTRACT, buyer=BUYER.public_key) == payout


def order(status: str) -> dict[str, Any]:
    return {"id": "ord_1", "status": status, "dispute": {"id": "dsp_1"}}


@pytest.mark.parametrize(
    ("status", "payout", "asked"),
    [
        ("IN_PROGRESS", Payout(is_release=True), RELEASE),
        ("IN_PROGRESS", Payout(is_release=False, to_buyer=7), REFUND),
        ("IN_PROGRESS", Payout(is_release=False, to_seller=7), DISPUTE),
        ("DISPUTED", Payout(is_release=False, to_seller=7), {"decision": "FULL_RELEASE"}),
        ("DISPUTED", Payout(is_release=False, to_buyer=7), {"decision": "FULL_REFUND"}),
        (
            "DISPUTED",
            Payout(is_release=False, to_seller=125 * CENT, to_buyer=7 * CENT),
            {"decision": "SPLIT", "releaseAmount": "1.25", "refundAmount": "0.07"},
        ),
        ("CLOSED", Payout(is_release=True), None),
    ],
)
def test_the_decision_of_the_chain_is_asked_for(status: str, payout: Payout, asked: Any) -> None:
    if status == "DISPUTED":
        asked = ("/disputes/dsp_1/resolve", asked)
    assert request_for(payout, order(status)) == asked
