"""A third party's change of an order's contract, or payout from it, raises an alarm."""

import uuid
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY
from stellar_sdk import Keypair, scval, xdr
from structlog.testing import capture_logs

from services.escrow.domain import CommandKind
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_watcher import watched_to_the_end
from tests.integration.escrow.world import AMOUNT, World
from tests.patience import until

METRIC = "orchestrator_escrow_foreign_payouts_total"
CHANGES = "orchestrator_escrow_foreign_changes_total"


CLAIM = """
insert into attempts (hash, bump_hash, step_id, number, source, sequence, envelope_xdr, max_time,
    max_fee, auth_expires_ledger, network, prepared_at_ledger, state, code, created_at)
select {hash}, {bump_hash}, a.step_id, a.number + %(number)s, a.source, a.sequence + 1000,
    a.envelope_xdr, a.max_time, a.max_fee, a.auth_expires_ledger, a.network, a.prepared_at_ledger,
    'EXPIRED', '', a.created_at
from foreign_changes f, (select * from attempts limit 1) a where f.contract_id = %(contract)s
"""
END = "update escrows set state = 'RESOLVED', closed_at = now() where contract_id = %(contract)s"


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0


async def listed(world: World) -> list[tuple[str, str]]:
    """Return what an operator is told of others' changes: contract and event."""
    found = await world.house.attention().concerns(marketplace_id=world.marketplace_id)
    other = await world.house.attention().concerns(marketplace_id=uuid.uuid4())
    assert other.changes == []
    return [(one.contract_id, one.name) for one in found.changes]


async def touch(own: World, thief: Stranger, contract_id: str) -> None:
    """Replace what a contract stores by the same."""
    view = await own.house.chain.read_escrow(contract_id)
    assert view is not None
    same = [scval.to_address(thief.address), xdr.SCVal.from_xdr_bytes(view.raw)]
    await thief.call(contract_id, "update_escrow", same)


async def test_transactions_with_a_stolen_key_raise_an_alarm_and_own_steps_do_not(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    thief = Stranger(devnet.info, secret=Keypair.random().secret)
    before, changed = counted(METRIC), counted(CHANGES)
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, platform_secret=thief.secret) as own:
        released, frozen = await own.funded(), await own.funded()
        quiet, still = await own.order(), await own.order()
        await own.created(quiet)
        await own.created(still)
        escrow, other, third = [
            await own.queries.escrow(marketplace_id=own.marketplace_id, order_id=order.id)
            for order in (frozen, quiet, still)
        ]

        with capture_logs() as logs:
            await own.do(CommandKind.RELEASE, released)
            await own.do(CommandKind.FREEZE, frozen)
            await watched_to_the_end(own)
        assert [line for line in logs if line["log_level"] == "error"] == []
        assert (await listed(own), counted(CHANGES)) == ([], changed)

        shares = scval.to_map({scval.to_address(thief.address): scval.to_int128(AMOUNT)})
        args = [scval.to_address(thief.address), shares]
        with capture_logs() as logs:
            name = await thief.call(escrow.contract_id, "resolve_dispute", args)
            for one in (other, third):
                await touch(own, thief, one.contract_id)
            told = [
                (escrow.contract_id, "tw_disp_resolve"),
                (other.contract_id, "tw_update"),
                (third.contract_id, "tw_update"),
            ]

            async def are_told() -> bool:
                return await listed(own) == told

            await until(are_told)
        # A transaction that a step claims, by either of its hashes, is no longer listed. An order
        # that has ended needs no attention.
        by_hash = CLAIM.format(hash="f.transaction_hash", bump_hash="''")
        by_bump = CLAIM.format(hash="'inside'", bump_hash="f.transaction_hash")
        async with own.house.database.transaction() as tx:
            await tx.execute(by_hash, {"contract": escrow.contract_id, "number": 100})
            await tx.execute(by_bump, {"contract": third.contract_id, "number": 101})
            await tx.execute(END, {"contract": other.contract_id})
        assert await listed(own) == []

    alarms = [line for line in logs if line["event"] == "watcher.foreign_payout"]
    assert {(line["contract"], line["transaction"]) for line in alarms} == {
        (escrow.contract_id, name)
    }
    assert sum(line["minor_units"] for line in alarms) == AMOUNT
    assert counted(METRIC) == before + len(alarms)
    lines = [line for line in logs if line["event"] == "watcher.foreign_change"]
    assert [(line["contract"], line["change"]) for line in lines] == told
    assert counted(CHANGES) == changed + 3
