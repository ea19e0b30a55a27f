"""The consumer of escrow.deposit_confirmed: money from outside is booked once."""

from functools import partial

from chassis.bus import Bus, consume
from services.ledger import wire
from services.ledger.service import CONSUMER, LedgerService

SUBJECT = "escrow.deposit_confirmed"


async def run(*, bus: Bus, service: LedgerService) -> None:
    """Book deposits until cancelled; what cannot be booked now is delivered again."""
    await consume(bus, durable=CONSUMER, subject=SUBJECT, handle=partial(handle, service))


async def handle(service: LedgerService, body: bytes) -> None:
    """Book one deposit. Raises: NotADeposit; DepositNotBooked; database errors."""
    await service.credit_deposit(wire.deposit(body))
