"""The list of commands that need an operator's attention."""

import uuid

from services.escrow.sending.progress import LISTED_MAX
from tests.integration.escrow.world import World

_WAITING = """
insert into commands (marketplace_id, id, kind, state, wallet_id, correlation_id, waits,
                      waiting_since, next_attempt_at, created_at)
select %(marketplace)s, gen_random_uuid(), 'CREDIT_WALLET', 'RUNNING', %(wallet)s, 'many', 1, now(),
       now() + interval '1 hour', now() - interval '1 hour' from generate_series(1, %(count)s)
"""
_QUARANTINED = """
insert into commands (marketplace_id, id, kind, state, wallet_id, correlation_id, created_at,
                      quarantined_at)
values (%(marketplace)s, %(id)s, 'CREDIT_WALLET', 'QUARANTINED', %(wallet)s, 'many', now(), now())
"""


async def test_quarantined_commands_are_listed_before_waiting_commands(world: World) -> None:
    own = World(house=world.house, devnet=world.devnet)
    wallet, command_id = await own.wallet(), uuid.uuid4()
    names = {"marketplace": own.marketplace_id, "wallet": wallet.id, "id": command_id}
    async with world.house.database.transaction() as tx:
        await tx.execute(_WAITING, {**names, "count": LISTED_MAX + 1})
        await tx.execute(_QUARANTINED, names)

    concerns = await world.house.attention().concerns(marketplace_id=own.marketplace_id)

    assert concerns.commands[0].id == command_id
    assert len(concerns.commands) == LISTED_MAX
