"""The buyer and the seller of each order, for the event streams of people.

The parties of an order never change. What the orders service answers is therefore cached for all
streams of this process. The parties are not taken from events, because events are not trusted, and
the parties decide who may read an order's events.
"""

import uuid

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
    """The public ids of orders' buyers and sellers, by marketplace and public order id."""

    def __init__(self, services: Backends) -> None:
        self._backends = services
        self._known: SingleFlight[_Order, frozenset[str]] = SingleFlight(maximum=KNOWN_MAX)

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
        # Called as the gateway itself, because all streams share the answer.
        who = identity.system(caller=CALLER, marketplace_id=marketplace_id)
        backends.bind(who, request_id="")
        request = orders_pb2.GetOrderRequest(order_id=str(order_id))
        try:
            order = await self._backends.call(self._backends.orders.GetOrder, request)
        except (NotFound, PermissionDenied):
            return NOBODY
        return frozenset({order.buyer.public_id, order.seller.public_id})
