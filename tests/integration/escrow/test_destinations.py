"""Flaws of a withdrawal's destination, shown by real accounts, before and after the hold."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from stellar_sdk import Keypair
from stellar_sdk.operation import AccountMerge, ChangeTrust, ManageData

from services.escrow.commands.acceptance import Request
from services.escrow.contracts.destinations import Flaw
from services.escrow.contracts.intents import Memo, MemoType
from services.escrow.domain import CommandKind, CommandState, Wallet
from tests.integration.escrow.strangers import Stranger, muxed
from tests.integration.escrow.world import World, command_of, post, usdc

TEN = 10 * 10_000_000
MEMO = Memo(type=MemoType.ID, value="7")
Change = Callable[[World, Stranger], Awaitable[Any]]


async def stranger(world: World, *, amount: str = "1.00") -> Stranger:
    """Return an account outside that holds some of the asset."""
    found = Stranger(world.devnet.info)
    await found.come(amount=amount)
    return found


async def freeze(world: World, outside: Stranger) -> None:
    document = {"action": "freeze", "address": outside.address}
    await asyncio.to_thread(post, f"{world.devnet.url}/issuer", document)


async def give_back(world: World, outside: Stranger) -> None:
    """Pay the asset back to its issuer, and end the trustline."""
    back = outside.payment(world.devnet.info["usdcIssuer"], "1.00")
    await outside.send(back, ChangeTrust(outside.asset, "0"))


async def merge(world: World, outside: Stranger) -> None:
    await give_back(world, outside)
    await outside.send(AccountMerge((await stranger(world)).address))


async def narrow(_: World, outside: Stranger) -> None:
    await outside.send(ChangeTrust(outside.asset, "10.9999999"))


async def demand_a_memo(_: World, outside: Stranger) -> None:
    await outside.send(ManageData("config.memo_required", "1"))


# What can happen to an account outside while a withdrawal to it is held.
CHANGES: dict[Flaw, Change] = {
    Flaw.ACCOUNT_MISSING: merge,
    Flaw.NO_TRUSTLINE: give_back,
    Flaw.TRUSTLINE_NOT_AUTHORIZED: freeze,
    Flaw.TRUSTLINE_FULL: narrow,
    Flaw.MEMO_REQUIRED: demand_a_memo,
}


async def begun(
    world: World,
    payer: Wallet,
    address: str,
    memo: Memo | None = None,
    *,
    request: Request | None = None,
) -> Any:
    """Accept a payment of 10.00 to an address."""
    return await world.house.wallets().withdraw(
        request or world.asked(CommandKind.WITHDRAW),
        user_id=payer.user_id,
        amount=usdc(TEN),
        address=address,
        memo=memo,
    )


async def paid_in(world: World) -> Wallet:
    """Return a user's wallet with 10.00."""
    wallet = await world.wallet()
    await world.pay_in(wallet, "10.00")
    return wallet


@pytest.mark.parametrize("flaw", CHANGES)
async def test_flaw_that_appears_after_the_hold_fails_the_withdrawal(
    world: World, flaw: Flaw
) -> None:
    payer, outside = await paid_in(world), await stranger(world)
    await world.pause_worker()
    try:
        answer = await begun(world, payer, outside.address)
        await CHANGES[flaw](world, outside)
    finally:
        await world.resume_worker()

    command = await world.ended(command_of(answer))

    assert (command.state, command.error_reason) == (CommandState.FAILED, flaw.value)
    assert await world.balance(payer.address) == TEN
    assert command.payments == ()


async def test_trustline_frozen_after_the_signature_fails_the_withdrawal(world: World) -> None:
    payer, outside = await paid_in(world), await stranger(world)
    request = world.asked(CommandKind.WITHDRAW)
    await world.fault(kind="rpc_down", function="sendTransaction", count=1_000_000)
    try:
        await begun(world, payer, outside.address, request=request)
        await world.until_signed(request)
        await freeze(world, outside)
    finally:
        await world.clear_faults()

    command = await world.ended(request)

    assert command.state is CommandState.FAILED
    assert command.error_reason in {"CHAIN_REFUSED", Flaw.TRUSTLINE_NOT_AUTHORIZED}
    assert await world.balance(payer.address) == TEN
    assert command.payments == ()


async def test_flaw_fixed_before_the_signature_does_not_fail_the_withdrawal(world: World) -> None:
    payer, outside = await paid_in(world), await stranger(world)
    await narrow(world, outside)
    await world.pause_worker()
    try:
        answer = await begun(world, payer, outside.address)
        await outside.send(ChangeTrust(outside.asset, "11"))
    finally:
        await world.resume_worker()

    assert (await world.ended(command_of(answer))).state is CommandState.SUCCEEDED
    assert await world.balance(outside.address) == TEN + 10_000_000


async def addresses(world: World, payer: Wallet) -> dict[str, Flaw]:
    """Return addresses that show the flaws of an address itself."""
    order = await world.order()
    await world.created(order)
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    async with world.house.database.statement() as connection:
        channels = [row.address for row in await connection.fetch("select address from channels")]
        resolvers = [row.address for row in await connection.fetch("select address from resolver")]
    platform = (await world.house.keyring.platform()).address
    ours = dict.fromkeys([*channels, *resolvers, platform], Flaw.OUR_PLATFORM)
    assert len(ours) >= len(channels) + 1
    return ours | {
        payer.address: Flaw.OWN_ADDRESS,
        muxed(payer.address, 7): Flaw.OWN_ADDRESS,
        order.seller.address: Flaw.OUR_WALLET,
        muxed(order.seller.address, 2**64 - 1): Flaw.OUR_WALLET,
        muxed(platform, 7): Flaw.OUR_PLATFORM,
        escrow.contract_id: Flaw.CONTRACT,
        world.devnet.info["factoryId"]: Flaw.CONTRACT,
        world.devnet.info["usdcIssuer"]: Flaw.ASSET_ISSUER,
        muxed(world.devnet.info["usdcIssuer"], 7): Flaw.ASSET_ISSUER,
        Keypair.random().secret: Flaw.MALFORMED,
        payer.address.lower(): Flaw.MALFORMED,
        f" {Keypair.random().public_key}": Flaw.MALFORMED,
        Keypair.random().public_key: Flaw.ACCOUNT_MISSING,
        muxed(Keypair.random().public_key, 7): Flaw.ACCOUNT_MISSING,
    }


@pytest.mark.slow
async def test_every_flaw_is_reported_and_no_money_moves(world: World) -> None:
    payer, good = await paid_in(world), await stranger(world)
    cases: list[tuple[str, Memo | None, Flaw]] = [
        (address, None, flaw) for address, flaw in (await addresses(world, payer)).items()
    ]
    cases.append((muxed(good.address, 7), MEMO, Flaw.MUXED_WITH_MEMO))
    for flaw, change in CHANGES.items():
        outside = await stranger(world)
        await change(world, outside)
        cases.append((outside.address, None, flaw))
        if flaw is not Flaw.MEMO_REQUIRED:
            cases.append((muxed(outside.address, 7), None, flaw))

    for address, memo, flaw in cases:
        found, _ = await world.house.destinations.flaw(
            address, payer=payer.address, memo=memo, amount=TEN
        )
        assert found is flaw, address
        # A withdrawal without a preceding check of the destination pays nothing either.
        command = await world.ended(command_of(await begun(world, payer, address, memo)))
        assert (command.state, command.error_reason) == (CommandState.FAILED, flaw.value)

    assert {flaw for _, _, flaw in cases} == set(Flaw)
    assert await world.balance(payer.address) == TEN
    for memo in (None, MEMO):
        found, _ = await world.house.destinations.flaw(
            good.address, payer=payer.address, memo=memo, amount=TEN
        )
        assert found is None
