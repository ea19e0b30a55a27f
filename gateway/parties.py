"""The buyer and the seller of each order, for the event streams of people.

They never change, so they are cached for all streams of this process: from the event of a new
order, or from the orders service.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from gateway import backends
from gateway.auth import CALLER
from gateway.backends import Backends
from gateway.single_flight import SingleFlight
from kernel.errors import NotFound, PermissionDenied
from kernel.ids import from_public

KNOWN_MAX = 50_000
NOBODY: frozenset[str] = frozenset()
_Order = tuple[uuid.UUID, str]


class Parties:
    """Public ids of the buyer and seller of orders, by marketplace and public order id."""

    def __init__(self, services: Backends) -> None:
        self._backends = services
        self._known: SingleFlight[_Order, frozenset[str]] = SingleFlight(maximum=KNOWN_MAX)

    def learn(self, marketplace_id: uuid.UUID, event: Mapping[str, Any]) -> None:
        """Remember the buyer and seller of a new order from its event."""
        payload, order = event["payload"], str(event.get("aggregateId"))
        buyer, seller = payload.get("buyerId"), payload.get("sellerId")
        if isinstance(buyer, str) and isinstance(seller, str):
            self._known.put((marketplace_id, order), frozenset({buyer, seller}))

    async def of(self, marketplace_id: uuid.UUID, order: str) -> frozenset[str]:
        """Return the public ids of an order's buyer and seller; empty: there is no such order.

        Raises: Unavailable, DeadlineExceeded: the orders service did not answer.
        """
        order_id = from_public("ord", order)
        if order_id is None:
            return NOBODY
        found = await self._known.get(
            (marketplace_id, order), lambda: self._ask(marketplace_id, order_id)
        )
        return found or NOBODY

    async def _ask(self, marketplace_id: uuid.UUID, order_id: uuid.UUID) -> frozenset[str]:
        # Bound in this task's own context: the answer is for all streams.
        who = identity.system(caller=CALLER, marketplace_id=marketplace_id)
        backends.bind(who, request_id="")
        request = orders_pb2.GetOrderRequest(order_id=str(order_id))
        try:
            order = await self._backends.call(self._backends.orders.GetOrder, request)
        except (NotFound, PermissionDenied):
            return NOBODY
        return frozenset({order.buyer.public_id, order.seller.public_id})
