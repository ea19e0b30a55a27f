"""The holdings of contracts and wallets, as reconciliation with the ledger reads them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.escrow.domain import CommandKind
from services.escrow.queries import Holdings
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow import outsiders
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_denials import begun
from tests.integration.escrow.test_faults import is_quarantined
from tests.integration.escrow.world import AMOUNT, World


@pytest.fixture
async def held(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> AsyncIterator[World]:
    """A house of this test alone."""
    async with running(make_database(), devnet, tmp_path) as made:
        yield made


async def holdings(world: World) -> Holdings:
    return await world.queries.holdings(marketplace_id=world.marketplace_id, after=None, size=100)


async def test_second_funding_by_the_buyer_is_distinguished_from_third_party_payments(
    held: World, devnet: RunningDevnet
) -> None:
    stranger = Stranger(devnet.info)
    await stranger.come(amount="200.00")
    twice, gift = [await held.funded() for _ in range(2)]
    twice_at, gift_at = [
        (await held.queries.escrow(marketplace_id=held.marketplace_id, order_id=o.id)).contract_id
        for o in (twice, gift)
    ]
    await held.pay_in(twice.buyer, "80.00")
    await stranger.give_contract(gift_at, minor_units=AMOUNT)
    assert (await holdings(held)).overfunded == frozenset()

    await outsiders.pay_from(held, twice.buyer, to=twice_at, amount=AMOUNT)

    found = await holdings(held)
    assert found.overfunded == {twice_at}
    assert found.balances[twice_at] == found.balances[gift_at] == 2 * AMOUNT


async def test_command_quarantined_for_ten_minutes_is_no_longer_in_motion(held: World) -> None:
    order = await held.funded()
    await outsiders.dispute(held, order)
    asked = await begun(held, CommandKind.RELEASE, order)
    await held.until(asked.command_id, is_quarantined)
    assert all(holder.in_motion for holder in (await holdings(held)).holders)

    async with held.house.database.transaction() as tx:
        older = "update commands set quarantined_at = quarantined_at - interval '10 minutes'"
        await tx.execute(older)

    assert not any(holder.in_motion for holder in (await holdings(held)).holders)
