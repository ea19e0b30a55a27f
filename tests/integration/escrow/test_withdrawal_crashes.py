"""A process may die after any effect of a withdrawal: the withdrawal is paid at most once."""

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
    """A house whose worker can be stopped: these tests execute commands themselves."""
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, channel_accounts=AT_ONCE) as made:
        yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """A user with 10.00, and the account outside that the withdrawal pays."""

    payer: Wallet
    outside: Stranger

    @classmethod
    async def of(cls, world: World) -> "Payout":
        """Create the user and the account."""
        payer, outside = await world.wallet(), Stranger(world.devnet.info)
        await asyncio.gather(world.pay_in(payer, "10.00"), outside.come(amount="1.00"))
        return cls(payer=payer, outside=outside)

    async def accepted(self, world: World) -> Lease:
        """Accept the command that withdraws the 10.00, and lease it."""
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
    """Execute a command to its end. A resting command is leased again at a newer ledger."""
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
    """Let a pipeline die after its k-th effect, and another pipeline continue."""
    pipeline, fuse = mortal(world, after=after)
    try:
        return await carried_out(world, lease, pipeline), fuse
    except Died:
        newest = await lease_anew(world, replace(lease, epoch=await epoch(world, lease)))
    try:
        return await carried_out(world, newest, world.house.pipeline()), fuse
    except LeaseLost:
        # The pipeline died after the last commit, so no worker would claim the command again.
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
async def test_withdrawal_is_paid_at_most_once_after_a_crash_at_any_boundary(
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

    # A refusal is checked again at a newer ledger; no envelope is signed for it.
    wanted = {COMMIT} if is_frozen else {COMMIT, *CALLS} - {"announce"}
    assert wanted <= set(passed), passed
