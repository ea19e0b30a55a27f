"""An escrow's whole life over Stellar RPC: deploy, fund, deliver, approve, release, or dispute."""

import secrets

import pytest
from stellar_sdk import scval, xdr

from tests.integration.devnet import escrows
from tests.integration.devnet.chain import UNIT, Chain, address_of, address_value


async def test_a_purchase_pays_the_seller_less_the_providers_fee(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    fees_before = await chain.usdc_of(chain.info["feeAddress"])
    contract = await escrows.deploy(chain, cast)

    for step in (escrows.fund, escrows.deliver, escrows.approve, escrows.release):
        assert (await step(chain, cast, contract)).ok

    assert await chain.usdc_of(cast.buyer.public_key) == 20 * UNIT
    assert await chain.usdc_of(cast.seller.public_key) == 797_600_000
    assert await chain.usdc_of(chain.info["feeAddress"]) - fees_before == 2_400_000
    assert await chain.usdc_of(contract) == 0
    flags = scval.from_struct(scval.from_struct(await escrows.stored(chain, contract))["flags"])
    assert {name: scval.from_bool(flag) for name, flag in flags.items()} == {
        "disputed": False,
        "released": True,
        "resolved": False,
    }


async def test_the_contract_id_is_known_before_and_comes_once(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    salt = secrets.token_bytes(32)
    args = escrows.deploy_args(chain, cast, salt)
    factory, function = chain.info["factoryId"], "tw_new_single_release_escrow"

    done = await chain.invoke(cast.platform, factory, function, args)

    assert address_of(scval.from_vec(done.value)[0]) == escrows.predicted(chain, salt)
    refusal = await chain.refusal(cast.platform, factory, function, args)
    assert refusal == "HostError: Error(Storage, ExistingValue)"


async def test_a_refund_gives_the_buyer_everything_but_the_fee(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await escrows.deploy(chain, cast)
    assert (await escrows.fund(chain, cast, contract)).ok
    assert (await escrows.dispute(chain, cast, contract)).ok

    done = await escrows.resolve(chain, cast, contract, {cast.buyer.public_key: 80 * UNIT})

    assert done.ok
    assert await chain.usdc_of(cast.buyer.public_key) == 100 * UNIT - 2_400_000
    assert await chain.usdc_of(contract) == 0


async def test_a_split_shares_balance_and_fee(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await escrows.deploy(chain, cast)
    assert (await escrows.fund(chain, cast, contract)).ok
    assert (await escrows.dispute(chain, cast, contract)).ok
    shares = {cast.buyer.public_key: 30 * UNIT, cast.seller.public_key: 50 * UNIT}

    assert (await escrows.resolve(chain, cast, contract, shares)).ok

    assert await chain.usdc_of(cast.buyer.public_key) == 50 * UNIT - 900_000
    assert await chain.usdc_of(cast.seller.public_key) == 50 * UNIT - 1_500_000


async def test_funding_asks_the_buyer_for_the_transfer_too(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await escrows.deploy(chain, cast)
    args = [
        address_value(cast.buyer),
        await escrows.stored(chain, contract),
        scval.to_int128(UNIT),
    ]

    answer = await chain.rpc.simulate_transaction(
        await chain.call(cast.channel, contract, "fund_escrow", args)
    )

    assert answer.results
    assert answer.results[0].auth
    entry = xdr.SorobanAuthorizationEntry.from_xdr(answer.results[0].auth[0])
    assert entry.credentials.address is not None
    (transfer,) = entry.root_invocation.sub_invocations
    assert transfer.function.contract_fn is not None
    assert transfer.function.contract_fn.function_name.sc_symbol == b"transfer"


async def test_events_come_in_the_order_of_the_operations(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await escrows.deploy(chain, cast)
    await escrows.fund(chain, cast, contract)
    await escrows.deliver(chain, cast, contract)
    await escrows.approve(chain, cast, contract)

    done = await escrows.release(chain, cast, contract)

    names = [
        scval.from_symbol(event.body.v0.topics[0])
        for event in done.meta.operations[0].events
        if event.body.v0 is not None
    ]
    assert names == ["transfer", "transfer", "tw_release"]
    assert done.answer.events is not None
    assert done.answer.events.contract_events_xdr is not None
    assert len(done.answer.events.contract_events_xdr[0]) == 3


@pytest.mark.parametrize("signer", ["seller", "platform"])
async def test_only_the_release_signer_releases(chain: Chain, signer: str) -> None:
    cast = await escrows.assemble(chain)
    contract = await escrows.deploy(chain, cast)
    wrong = getattr(cast, signer)

    args = [address_value(wrong)]

    refusal = await chain.refusal(wrong, contract, "release_funds", args)
    assert refusal == "HostError: Error(Contract, #4)"


async def test_a_failed_call_names_its_contract_and_leaves_nothing(chain: Chain) -> None:
    cast = await escrows.assemble(chain)
    contract = await escrows.deploy(chain, cast)
    envelope = await chain.prepared(
        cast.platform,
        contract,
        "update_escrow",
        [address_value(cast.platform), await escrows.stored(chain, contract)],
    )
    assert (await escrows.dispute(chain, cast, contract)).ok
    before = await escrows.stored(chain, contract)

    done = await chain.land(envelope)

    assert not done.ok
    event = done.meta.diagnostic_events[0].event
    assert event.contract_id == address_value(contract).address.contract_id  # type: ignore[union-attr]  # set
    assert event.body.v0 is not None
    error = event.body.v0.topics[1].error
    assert error is not None
    assert error.contract_code == xdr.Uint32(16)
    assert await escrows.stored(chain, contract) == before
    sequence = (await chain.rpc.load_account(cast.platform.public_key)).sequence
    assert sequence == envelope.transaction.sequence
