"""Makes valid requests of operators for RPCs without a request id."""

import uuid
from typing import Any

import psycopg
from orchestrator.escrow.v1 import escrow_pb2 as escrow
from orchestrator.ledger.v1 import ledger_pb2 as ledger

from kernel.money import CENT
from tests.contract.builders import VALID
from tests.contract.world import World, propose_correction
from tests.integration.escrow.strangers import Stranger
from tests.suspending import suspend


async def a_deposit_in_suspense(world: World) -> Any:
    """Put a deposit into suspense; returns a request to credit it."""
    buyer, _ = await world.people()
    deposit = await suspend(
        world.city.database.url("ledger"),
        marketplace=world.marketplace_id,
        user=uuid.UUID(buyer.id),
        minor_units=CENT,
        memo="for whom?",
    )
    return ledger.CreditSuspenseRequest(transfer_id=str(deposit), reason="Theirs")


async def quarantined(world: World) -> str:
    """Quarantine a command that has ended; returns its id."""
    command = await world.done("CreateEscrow", await world.new_escrow())
    with psycopg.connect(world.city.database.url()) as connection:
        connection.execute(
            "update escrow.commands set state = 'QUARANTINED', finished_at = null where id = %s",
            (command.id,),
        )
    return str(command.id)


async def a_quarantined_command(world: World) -> Any:
    """Return a request to retry a quarantined command."""
    return escrow.RequeueCommandRequest(command_id=await quarantined(world))


async def a_command_to_abandon(world: World) -> Any:
    """Return a request to end a quarantined command."""
    return escrow.AbandonCommandRequest(command_id=await quarantined(world), why="Nothing landed")


async def a_step_in_doubt(world: World) -> Any:
    """Quarantine a step that has landed; returns a request to adopt it."""
    command_id = await quarantined(world)
    with psycopg.connect(world.city.database.url()) as connection:
        [(name,)] = connection.execute(
            "update escrow.steps s set doubt = 'other words' from escrow.attempts a"
            " where a.step_id = s.id and s.command_id = %s returning a.hash",
            (command_id,),
        ).fetchall()
    return escrow.AdoptTransactionRequest(
        command_id=command_id, transaction_hash=name, why="It is as it should be"
    )


async def a_hold(world: World) -> Any:
    """Create a chain hold; returns a request to confirm it."""
    with psycopg.connect(world.city.database.url()) as connection:
        connection.execute("insert into escrow.chain_holds (why) values ('forgotten')")
    return escrow.ConfirmChainRequest(why="All is settled")


async def a_correction(world: World) -> Any:
    """Propose a correction; returns a request by its proposer to reject it."""
    proposal = await propose_correction(world)
    proposed = await world.call("ledger", "ProposeCorrection", proposal)
    request = VALID["ledger"]["DecideCorrection"]()
    request.correction_id = proposed.id
    return request


async def a_payout_to_redirect(world: World) -> Any:
    """Fund an escrow; returns a request to pay its seller at another address."""
    outside = Stranger(world.city.devnet().info)
    await outside.come(amount="1.00")
    request = VALID["escrow"]["RedirectPayout"]()
    request.order_id, request.address = await world.a_funded_escrow(), outside.address
    return request


# The operators' RPCs without a request id.
FOR_OPERATORS = {
    ("escrow", "RedirectPayout"): a_payout_to_redirect,
    ("ledger", "CreditSuspense"): a_deposit_in_suspense,
    ("ledger", "DecideCorrection"): a_correction,
    ("escrow", "RequeueCommand"): a_quarantined_command,
    ("escrow", "AbandonCommand"): a_command_to_abandon,
    ("escrow", "AdoptTransaction"): a_step_in_doubt,
    ("escrow", "ConfirmChain"): a_hold,
}
