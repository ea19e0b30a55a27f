"""Bids for a place in a ledger: of the right lane, doubled by each that was too low, capped."""

from typing import Any

import pytest
from stellar_sdk import xdr

from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.direct import DirectBuilder
from tests.unit.escrow.answering import AnsweringHttp, rpc_of
from tests.unit.escrow.stellar_envelopes import FRAME, INTENTS, OPTIONS, valid_transaction

CALLS, CLASSIC, RESOURCES = 700, 3_000, 1_000


def lane(p90: int) -> dict[str, Any]:
    names = ("max", "min", "mode", *(f"p{part}" for part in range(10, 100, 10)), "p95", "p99")
    return {**dict.fromkeys(names, "1"), "p90": str(p90), "transactionCount": "1", "ledgerCount": 1}


async def bid_for(intent: str, *, tries: int = 0, classic: int = CLASSIC) -> int:
    """Return what an envelope bids for each operation."""
    data = valid_transaction(INTENTS["release_funds"]).ext.soroban_data
    assert data is not None
    data.resource_fee = xdr.Int64(RESOURCES)
    http = AnsweringHttp(
        getFeeStats={
            "sorobanInclusionFee": lane(CALLS),
            "inclusionFee": lane(classic),
            "latestLedger": 50,
        },
        simulateTransaction={"latestLedger": 50, "transactionData": data.to_xdr()},
    )
    builder = DirectBuilder(rpc=rpc_of(http), blueprints=Blueprints(options=OPTIONS))
    text = (await builder.build(INTENTS[intent], **FRAME, tries=tries)).envelope_xdr
    envelope = xdr.TransactionEnvelope.from_xdr(text).v1
    assert envelope is not None
    is_call = envelope.tx.ext.soroban_data is not None
    fee = envelope.tx.fee.uint32 - (RESOURCES if is_call else 0)
    return fee // len(envelope.tx.operations)


async def test_contract_calls_and_other_operations_bid_in_their_own_lanes() -> None:
    assert await bid_for("release_funds") == CALLS
    assert await bid_for("create_wallet") == CLASSIC


@pytest.mark.parametrize("tries", range(1, 5))
async def test_each_envelope_that_no_ledger_took_doubles_the_bid(tries: int) -> None:
    assert await bid_for("release_funds", tries=tries) == CALLS * 2**tries
    assert await bid_for("trust_asset", tries=tries) == CLASSIC * 2**tries


async def test_a_bid_grows_up_to_its_limit() -> None:
    assert await bid_for("release_funds", tries=40) == OPTIONS.inclusion_fee_max
    assert await bid_for("create_wallet", tries=40) == OPTIONS.classic_fee_max
    assert await bid_for("create_wallet", classic=10**9) == OPTIONS.classic_fee_max
