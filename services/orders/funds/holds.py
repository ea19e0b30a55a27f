"""The use case of an operator who gives back the hold of a canceled order."""

import uuid
from dataclasses import dataclass, replace

from chassis import identity
from chassis.audit import Change, Trail
from chassis.database import Database
from chassis.telemetry import logger
from kernel.errors import FailedPrecondition
from kernel.ids import derived_id
from services.orders.operations import postings
from services.orders.order.domain import FinalStatus, Order, State, wrong_state
from services.orders.order.store import OrderStore
from services.orders.peers.ports import LedgerPort

log = logger()


class HoldNotVoided(FailedPrecondition):
    """The ledger cannot void the order's hold: it was posted, or it differs from the order."""

    reason = "HOLD_NOT_VOIDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """Gives back holds of orders."""

    database: Database
    orders: OrderStore
    ledger: LedgerPort

    async def give_back(
        self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID, reason: str
    ) -> Order:
        """Void the hold of a canceled order, or leave a tombstone; a repeated call does nothing.

        Raises: OrderNotFound; OrderInWrongState: the order is not canceled; HoldNotVoided;
            Unavailable: the outcome is unknown; call again.
        """
        async with self.database.transaction() as tx:
            order = await self.orders.get(tx, marketplace_id=marketplace_id, order_id=order_id)
        if order.final_status is not FinalStatus.CANCELED:
            message = "The order is not canceled"
            raise wrong_state(order, message, allowed=[State.CLOSED.value])
        (void,) = postings.void(order, reason=reason)
        # The id depends on the reason: a call with another reason posts another transfer, and the
        # ledger answers that the hold is already voided.
        void = replace(void, id=derived_id(order.id, "give-back", reason))
        (posted,) = await self.ledger.post([void])
        if posted.is_refused and posted.reason != "PENDING_ALREADY_VOIDED":
            raise HoldNotVoided(
                "The ledger refused to void the hold", details={"reason": posted.reason}
            )
        if not posted.is_refused:
            change = Change(
                action="order.give_back_hold",
                target_type="order",
                target_id=order.public_id,
                after={"reason": reason},
            )
            async with self.database.transaction() as tx:
                await Trail().record_once(tx, change, marketplace_id=marketplace_id)
        who = identity.current().principal
        log.warning("order.hold_given_back", order_id=str(order.id), by=who, why=reason)
        return order
