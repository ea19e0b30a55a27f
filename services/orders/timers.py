"""What happens by the clock: unanswered deliveries are accepted, and counts are folded.

The timer is the delivery's own instant in the database, against the database's clock, so that it
survives restarts and no machine's wrong clock releases money; a dispute moves the order out of its
reach.
"""

from chassis import identity
from chassis.database import Database
from chassis.idempotency import RequestKey, fingerprint_of
from chassis.telemetry import logger
from kernel.errors import DomainError
from services.orders.operations.commands import Request
from services.orders.order.domain import Party
from services.orders.people.party_store import PartyStore
from services.orders.service import OrderService

BATCH = 50
log = logger()


class Timers:
    """The loops of the clock."""

    def __init__(self, *, database: Database, service: OrderService) -> None:
        self._database = database
        self._parties = PartyStore()
        self._service = service

    async def accept_overdue(self) -> int:
        """Release orders whose delivery counts as accepted by now; returns how many were begun.

        Source: reference §3, auto-confirm by SYSTEM.
        """
        async with self._database.transaction() as tx:
            overdue = await self._parties.overdue(tx, limit=BATCH)
        for marketplace_id, order_id in overdue:
            identity.bind(identity.system(caller="orders", marketplace_id=marketplace_id))
            key = RequestKey(
                marketplace_id=marketplace_id,
                scope="timer",
                key=f"accept:{order_id}",
                fingerprint=fingerprint_of(b"accept", order_id.bytes),
            )
            request = Request(marketplace_id=marketplace_id, key=key, wait_seconds=0)
            try:
                await self._service.release_funds(
                    request, order_id=order_id, by=Party.SYSTEM, is_forced=True
                )
            except DomainError as error:
                # It was confirmed meanwhile, or a peer is unavailable: the next turn looks again.
                log.info("order.not_accepted", order_id=str(order_id), error=error.reason)
        return len(overdue)

    async def fold_totals(self) -> None:
        """Fold the parties' counts once; one process at a time, the others leave it."""
        async with self._database.transaction() as tx:
            await self._parties.fold_totals(tx)
