"""A command id names one command of one kind, even after its stored answer has expired."""

import uuid
from dataclasses import replace

import pytest

from chassis.idempotency import IdempotencyKeyReused
from services.escrow.domain import CommandKind, CommandState, EscrowState
from tests.integration.escrow.world import World


async def test_command_id_of_another_kind_is_refused_without_effect(world: World) -> None:
    order = await world.funded()
    frozen = world.asked(CommandKind.FREEZE)
    await world.escrows.freeze(frozen, order_id=order.id)
    assert (await world.ended(frozen)).state is CommandState.SUCCEEDED
    # The stored answer of the first command has expired: its key is unknown, its id is known.
    key = replace(frozen.key, key=str(uuid.uuid4()))
    other = replace(frozen, key=key, kind=CommandKind.REFUND)

    with pytest.raises(IdempotencyKeyReused):
        await world.escrows.refund(other, order_id=order.id)

    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    assert escrow.state is EscrowState.DISPUTED
    again = await world.escrows.freeze(replace(frozen, key=key), order_id=order.id)
    assert not again.replayed
    assert (await world.ended(frozen)).kind is CommandKind.FREEZE
