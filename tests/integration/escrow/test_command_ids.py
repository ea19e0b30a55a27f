"""A command's id is one command's, of one kind, for longer than its answer is kept."""

import uuid
from dataclasses import replace

import pytest

from chassis.idempotency import IdempotencyKeyReused
from services.escrow.domain import CommandKind, CommandState, EscrowState
from tests.integration.escrow.world import World


async def test_the_id_of_a_command_of_another_kind_is_refused_and_nothing_is_begun(
    world: World,
) -> None:
    order = await world.funded()
    frozen = world.asked(CommandKind.FREEZE)
    await world.escrows.freeze(frozen, order_id=order.id)
    assert (await world.ended(frozen)).state is CommandState.SUCCEEDED
    # As when the record of the first is past its time: the key finds nothing, the id does.
    key = replace(frozen.key, key=str(uuid.uuid4()))
    other = replace(frozen, key=key, kind=CommandKind.REFUND)

    with pytest.raises(IdempotencyKeyReused):
        await world.escrows.refund(other, order_id=order.id)

    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    assert escrow.state is EscrowState.DISPUTED
    again = await world.escrows.freeze(replace(frozen, key=key), order_id=order.id)
    assert not again.replayed
    assert (await world.ended(frozen)).kind is CommandKind.FREEZE
