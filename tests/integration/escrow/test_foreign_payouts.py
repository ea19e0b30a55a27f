"""Money that leaves an order's contract by somebody else's transaction is an alarm."""

from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY
from stellar_sdk import Keypair, scval
from structlog.testing import capture_logs

from services.escrow.domain import CommandKind
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_watcher import watched_to_the_end
from tests.integration.escrow.world import AMOUNT

METRIC = "orchestrator_escrow_foreign_payouts_total"


async def test_a_payout_with_a_stolen_key_is_an_alarm_and_our_own_is_not(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    thief = Stranger(devnet.info, secret=Keypair.random().secret)
    before = REGISTRY.get_sample_value(METRIC) or 0
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, platform_secret=thief.secret) as own:
        released, frozen = await own.funded(), await own.funded()
        escrow = await own.queries.escrow(marketplace_id=own.marketplace_id, order_id=frozen.id)

        with capture_logs() as logs:
            await own.do(CommandKind.RELEASE, released)
            await own.do(CommandKind.FREEZE, frozen)
            await watched_to_the_end(own)
        assert [line for line in logs if line["log_level"] == "error"] == []

        shares = scval.to_map({scval.to_address(thief.address): scval.to_int128(AMOUNT)})
        args = [scval.to_address(thief.address), shares]
        with capture_logs() as logs:
            name = await thief.call(escrow.contract_id, "resolve_dispute", args)
            await watched_to_the_end(own)

    alarms = [line for line in logs if line["event"] == "watcher.foreign_payout"]
    assert {(line["contract"], line["transaction"]) for line in alarms} == {
        (escrow.contract_id, name)
    }
    assert sum(line["minor_units"] for line in alarms) == AMOUNT
    assert (REGISTRY.get_sample_value(METRIC) or 0) == before + len(alarms)
