"""A process may die after anything it does for a withdrawal: it is paid once, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chassis.leases import Lease, LeaseLost
from services.escrow.contracts.evidence import Ledger
from services.escrow.domain import CommandKind, CommandState, Wallet
from services.escrow.sending.pipeline import Pipeline
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.crashes import CALLS, COMMIT, Died, Fuse, mortal
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_crashes import AT_ONCE, MORE_THAN_ENOUGH, lease_anew
from tests.integration.escrow.world import World, command_of, post, usdc
from tests.patience import until

pytestmark = pytest.mark.slow

TEN, ONE = 10 * 10_000_000, 10_000_000
_BOOKED = """
select (select count(*) from steps where command_id = %(id)s) as steps,
       (select count(*) from attempts a join steps s on s.id = a.step_id
        where s.command_id = %(id)s) as envelopes,
       (select coalesce(sum(minor_units), 0) from payments p join steps s on s.id = p.step_id
        where s.command_id = %(id)s) as paid
"""


@pytest.fixture(scope="module")
async def still(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose worker can be stopped: these tests carry commands out themselves."""
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, channel_accounts=AT_ONCE) as made:
        yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """A user with 10.00, and the account outside that is to get it."""

    payer: Wallet
    outside: Stranger

    @classmethod
    async def of(cls, world: World) -> "Payout":
        """Make both."""
        payer, outside = await world.wallet(), Stranger(world.devnet.info)
        await asyncio.gather(world.pay_in(payer, "10.00"), outside.come(amount="1.00"))
        return cls(payer=payer, outside=outside)

    async def accepted(self, world: World) -> Lease:
        """Accept the command that pays all of it, and take it."""
        answer = await world.house.wallets().withdraw(
            world.asked(CommandKind.WITHDRAW),
            user_id=self.payer.user_id,
            amount=usdc(TEN),
            address=self.outside.address,
            memo=None,
        )
        lease = Lease(marketplace_id=world.marketplace_id, id=command_of(answer), epoch=0)
        return await lease_anew(world, lease)

    async def freeze(self, world: World) -> None:
        """Let the asset's issuer forbid the account outside to receive it."""
        document = {"action": "freeze", "address": self.outside.address}
        await asyncio.to_thread(post, f"{world.devnet.url}/issuer", document)


async def carried_out(world: World, lease: Lease, pipeline: Pipeline) -> CommandState:
    """Carry a command out to its end. One that rests is taken again at a newer ledger."""
    state = await pipeline.carry_out(lease)
    while state is CommandState.RUNNING:
        seen = await world.house.chain.latest_ledger()

        async def is_newer(seen: Ledger = seen) -> bool:
            return (await world.house.chain.latest_ledger()).sequence > seen.sequence

        await until(is_newer)
        lease = await lease_anew(world, lease)
        state = await pipeline.carry_out(lease)
    return state


async def died_and_resumed(world: World, lease: Lease, *, after: int) -> tuple[CommandState, Fuse]:
    """Let a pipeline die after the k-th thing it does, and another one go on."""
    pipeline, fuse = mortal(world, after=after)
    try:
        return await carried_out(world, lease, pipeline), fuse
    except Died:
        newest = await lease_anew(world, replace(lease, epoch=await epoch(world, lease)))
    try:
        return await carried_out(world, newest, world.house.pipeline()), fuse
    except LeaseLost:
        # It died after the last commit: nobody would have claimed the command again.
        return (await world.ended(lease.id)).state, fuse


async def epoch(world: World, lease: Lease) -> int:
    """Return the newest epoch of a command."""
    async with world.house.database.statement() as connection:
        newest = "select lease_epoch from commands where id = %(id)s"
        return int(await connection.fetchval(newest, {"id": lease.id}))


async def booked(world: World, lease: Lease) -> tuple[int, int, int]:
    """Return the steps and envelopes of a command, and what it has paid."""
    async with world.house.database.statement() as connection:
        row: Any = await connection.fetchrow(_BOOKED, {"id": lease.id})
    return tuple(row)


@pytest.mark.parametrize("is_frozen", [False, True], ids=["paid", "refused"])
async def test_a_withdrawal_that_dies_anywhere_is_paid_once_or_not_at_all(
    still: World, *, is_frozen: bool
) -> None:
    expected = CommandState.FAILED if is_frozen else CommandState.SUCCEEDED
    passed: list[str] = []
    for start in range(1, MORE_THAN_ENOUGH, AT_ONCE):
        payouts = await asyncio.gather(*(Payout.of(still) for _ in range(AT_ONCE)))
        await still.pause_worker()
        leases = [await payout.accepted(still) for payout in payouts]
        if is_frozen:
            for payout in payouts:
                await payout.freeze(still)
        results = await asyncio.gather(
            *(died_and_resumed(still, lease, after=start + n) for n, lease in enumerate(leases))
        )
        await still.resume_worker()

        assert {state for state, _ in results} == {expected}
        for payout, lease in zip(payouts, leases, strict=True):
            paid = 0 if is_frozen else TEN
            assert await still.balance(payout.outside.address) == ONE + paid
            assert await still.balance(payout.payer.address) == TEN - paid
            steps, envelopes, booked_as = await booked(still, lease)
            assert (steps, booked_as) == (1, paid)
            assert envelopes == 0 if is_frozen else envelopes >= 1
        lived = [fuse for _, fuse in results if fuse.left > 0]
        if lived:
            passed = lived[0].passed
            break

    # A refusal is looked at again on a newer ledger, and nothing is signed for it.
    wanted = {COMMIT} if is_frozen else {COMMIT, *CALLS} - {"announce"}
    assert wanted <= set(passed), passed
