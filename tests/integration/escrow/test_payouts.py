"""Withdrawals: the destination is checked before signing, and a stale node proves nothing."""

from typing import Any

from services.escrow.contracts.destinations import Flaw
from services.escrow.domain import CommandKind, CommandState
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.world import World, command_of, usdc

TEN = 10 * 10_000_000


class _Lagging:
    """A chain whose node shows the recipient as of ledgers before it existed, for some looks."""

    def __init__(self, real: Any, looks: int) -> None:
        self._real = real
        self.left = looks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def recipient_view(self, account: str) -> Any:
        if self.left:
            self.left -= 1
            return None, 1
        return await self._real.recipient_view(account)


async def withdrawn(world: World, address: str) -> Any:
    """Pay a user in, start a payment of all of it to an address, and await its end."""
    wallet = await world.wallet()
    await world.pay_in(wallet, "10.00")
    asked = world.asked(CommandKind.WITHDRAW)
    answer = await world.house.wallets().withdraw(
        asked, user_id=wallet.user_id, amount=usdc(TEN), address=address, memo=None
    )
    return await world.ended(command_of(answer))


async def test_lagging_node_does_not_fail_a_valid_withdrawal(world: World) -> None:
    stranger = Stranger(world.devnet.info)
    await stranger.come(amount="1.00")
    destinations = world.house.destinations
    lagging = _Lagging(destinations.chain, looks=5)
    object.__setattr__(destinations, "chain", lagging)
    try:
        command = await withdrawn(world, stranger.address)
    finally:
        object.__setattr__(destinations, "chain", lagging._real)

    assert lagging.left == 0
    assert command.state is CommandState.SUCCEEDED


async def test_withdrawal_without_a_user_is_paid_from_the_platform_wallet(world: World) -> None:
    stranger = Stranger(world.devnet.info)
    await stranger.come(amount="1.00")
    platform = (await world.house.keyring.platform()).address
    await world.pay_in_at(platform, "10.00")
    chain = world.house.chain
    before = await chain.asset_balances([platform, stranger.address])

    async def asked(minor_units: int) -> Any:
        answer = await world.house.wallets().withdraw(
            world.asked(CommandKind.WITHDRAW),
            user_id=None,
            amount=usdc(minor_units),
            address=stranger.address,
            memo=None,
        )
        return await world.ended(command_of(answer))

    paid = await asked(TEN)
    after = await chain.asset_balances([platform, stranger.address])
    too_much = await asked(after[platform] + 1)

    assert paid.state is CommandState.SUCCEEDED
    [payment] = paid.payments
    assert (payment.from_address, payment.to_address) == (platform, stranger.address)
    assert payment.minor_units == TEN
    assert after[platform] == before[platform] - TEN
    assert after[stranger.address] == before[stranger.address] + TEN
    assert too_much.state is CommandState.FAILED
    assert await chain.asset_balances([platform]) == {platform: after[platform]}


async def test_platform_cannot_withdraw_to_its_own_accounts(world: World) -> None:
    platform = (await world.house.keyring.platform()).address
    wallet = await world.wallet()
    flaws = [
        await world.queries.flaw(
            marketplace_id=world.marketplace_id,
            user_id=None,
            address=address,
            memo=None,
            amount=TEN,
        )
        for address in (platform, wallet.address, world.devnet.info["usdcIssuer"])
    ]

    assert flaws == [Flaw.OWN_ADDRESS, Flaw.OUR_WALLET, Flaw.ASSET_ISSUER]
