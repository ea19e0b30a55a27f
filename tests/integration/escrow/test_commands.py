"""Commands from acceptance to the chain and back, on a real database and a real devnet."""

from kernel.ids import to_public
from services.escrow.domain import CommandKind, EscrowState, PayeeRole
from tests.integration.escrow.world import AMOUNT, World


async def test_releasing_pays_the_seller_the_whole_amount(world: World) -> None:
    order = await world.funded()

    command = await world.do(CommandKind.RELEASE, order)

    assert command.escrow is not None
    assert command.escrow.state is EscrowState.RELEASED
    assert [(p.payee, p.minor_units, p.is_absorbed_fee) for p in command.payments] == [
        (PayeeRole.PROVIDER, 2_400_000, False),
        (PayeeRole.SELLER, 797_600_000, False),
        (PayeeRole.SELLER, 2_400_000, True),
    ]
    assert await world.balance(order.seller.address) == AMOUNT
    assert await world.balance(command.escrow.contract_id) == 0
    assert await world.events(to_public("esc", order.escrow_id)) == [
        (1, "escrow.created"),
        (2, "escrow.funding_started"),
        (3, "escrow.funded"),
        (4, "escrow.milestone_completed"),
        (5, "escrow.released"),
    ]
