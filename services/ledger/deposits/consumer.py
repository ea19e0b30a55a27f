"""The consumer of escrow.deposit_confirmed. A deposit is booked only if escrow has signed it.

The signature is needed because any client of the bus can write any event.
"""

from functools import partial

from chassis.bus import Bus
from chassis.consumer import Delivery, MessageRefused, consume
from chassis.signature import EventVerifier
from services.ledger.deposits import wire
from services.ledger.deposits.service import CONSUMER, Deposits

SUBJECT = "escrow.deposit_confirmed"


async def run(*, bus: Bus, deposits: Deposits, escrow: EventVerifier) -> None:
    """Book deposits until cancelled. A deposit that cannot be booked now is delivered again."""
    work = partial(handle, deposits, escrow)
    await consume(bus, durable=CONSUMER, subject=SUBJECT, handle=work)


async def handle(deposits: Deposits, escrow: EventVerifier, delivery: Delivery) -> None:
    """Book one deposit.

    Raises: MessageRefused: it is not a deposit signed by escrow; NotADeposit;
        DepositNotBooked; database errors.
    """
    is_signed = escrow.is_signed(
        subject=delivery.subject, headers=delivery.headers, body=delivery.body
    )
    if delivery.subject != SUBJECT or not is_signed:
        raise MessageRefused("not a deposit that escrow has signed")
    await deposits.book(wire.deposit(delivery.body))
