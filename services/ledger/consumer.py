"""The consumer of escrow.deposit_confirmed: money from outside is booked once, if escrow says so.

The bus proves nothing: whoever reaches it can say anything. Escrow's signature does.
"""

from functools import partial

from chassis.bus import Bus
from chassis.consumer import Delivery, MessageRefused, consume
from chassis.signature import EventVerifier
from services.ledger import wire
from services.ledger.service import CONSUMER, LedgerService

SUBJECT = "escrow.deposit_confirmed"


async def run(*, bus: Bus, service: LedgerService, escrow: EventVerifier) -> None:
    """Book deposits until cancelled; what cannot be booked now is delivered again."""
    work = partial(handle, service, escrow)
    await consume(bus, durable=CONSUMER, subject=SUBJECT, handle=work)


async def handle(service: LedgerService, escrow: EventVerifier, delivery: Delivery) -> None:
    """Book one deposit.

    Raises: MessageRefused: escrow did not sign it as a deposit; NotADeposit; DepositNotBooked;
        database errors.
    """
    is_signed = escrow.is_signed(
        subject=delivery.subject, headers=delivery.headers, body=delivery.body
    )
    if delivery.subject != SUBJECT or not is_signed:
        raise MessageRefused("no deposit that escrow has signed")
    await service.credit_deposit(wire.deposit(delivery.body))
