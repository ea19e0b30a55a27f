"""The buyer and the seller of each order, for the event streams of people.

They never change, so they are cached for all streams of this process: from the event of a new
order, or from the orders service.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from gateway import backends
from gateway.auth import CALLER
from gateway.backends import Backends
from kernel.errors import NotFound, PermissionDenied
from kernel.ids import from_public

KNOWN_MAX = 50_000
NOBODY: frozenset[str] = frozenset()
_Order = tuple[uuid.UUID, str]


class Parties:
    """Public ids of the buyer and seller of orders, by marketplace and public order id."""

    def __init__(self, services: Backends) -> None:
        self._backends = services
        self._known: OrderedDict[_Order, frozenset[str]] = OrderedDict()
        self._asking: dict[_Order, asyncio.Task[frozenset[str]]] = {}

    def learn(self, marketplace_id: uuid.UUID, event: Mapping[str, Any]) -> None:
        """Remember the buyer and seller of a new order from its event."""
        payload, order = event["payload"], str(event.get("aggregateId"))
        buyer, seller = payload.get("buyerId"), payload.get("sellerId")
        if isinstance(buyer, str) and isinstance(seller, str):
            self._remember((marketplace_id, order), frozenset({buyer, seller}))

    async def of(self, marketplace_id: uuid.UUID, order: str) -> frozenset[str]:
        """Return the public ids of an order's buyer and seller; empty: there is no such order.

        Raises: Unavailable, DeadlineExceeded: the orders service did not answer.
        """
        name = (marketplace_id, order)
        known = self._known.get(name)
        if known is not None:
            self._known.move_to_end(name)
            return known
        order_id = from_public("ord", order)
        if order_id is None:
            return NOBODY
        asking = self._asking.get(name)
        if asking is None:
            asking = asyncio.create_task(self._ask(marketplace_id, order_id))
            self._asking[name] = asking
            asking.add_done_callback(lambda task: self._answered(name, task))
        return await asyncio.shield(asking)

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

    def _answered(self, name: _Order, task: asyncio.Task[frozenset[str]]) -> None:
        del self._asking[name]
        if not task.cancelled() and task.exception() is None:
            self._remember(name, task.result())

    def _remember(self, name: _Order, sides: frozenset[str]) -> None:
        self._known[name] = sides
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
