"""Escrow's metrics of commands, channel accounts and the chain hold."""

from prometheus_client import REGISTRY

from chassis.metrics import Measuring
from services.escrow.domain import CommandKind
from services.escrow.measures import MEASURES
from tests.integration.escrow import outsiders
from tests.integration.escrow.test_faults import is_quarantined
from tests.integration.escrow.world import World


async def test_quarantined_command_is_counted_in_the_metrics(world: World) -> None:
    order = await world.funded()
    await outsiders.dispute(world, order)
    asked = world.asked(CommandKind.RELEASE)
    await world.escrows.release(asked, order_id=order.id)
    await world.until(asked.command_id, is_quarantined)

    await Measuring(world.house.database, MEASURES).measure()

    labels = {"kind": "RELEASE", "state": "QUARANTINED", "why": "QUARANTINED"}
    told = REGISTRY.get_sample_value
    assert (told("orchestrator_escrow_commands", labels) or 0) >= 1
    oldest = "orchestrator_escrow_command_oldest_seconds"
    assert (told(oldest, {"state": "QUARANTINED"}) or 0) > 0
    assert (told("orchestrator_escrow_channels", {"state": "free"}) or 0) > 0
    assert told("orchestrator_escrow_channels", {"state": "retired"}) == 0
    assert told("orchestrator_escrow_held") == 0
    assert told("orchestrator_escrow_watcher_blind") == 0
