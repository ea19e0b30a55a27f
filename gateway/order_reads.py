"""Reads orders. Reads for one identity that begin in one turn of the event loop share a call.

A call between services costs more than what it does for one order. A busy gateway has many requests
in each turn of its loop, so it reads their orders together. A read that is alone is not delayed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from chassis.identity import Identity
from chassis.status import Internal
from gateway.errors import OrderNotFound

# The most orders of one call. Source: GetOrdersRequest.
ORDERS_MAX = 50

Shared = dict[str, "asyncio.Future[orders_pb2.Order]"]


class OrderReads:
    """Gathers the reads of one turn by identity. The services' rules are the same for all of them.

    A call is made in the name of the request that came first: its request id and its trace.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[orders_pb2.Order]],
        read_several: Callable[[Sequence[str]], Awaitable[Sequence[orders_pb2.Order]]],
    ) -> None:
        """Take the calls that read one order, and several for a marketplace."""
        self._read_one = read
        self._read_several = read_several
        self._gathering: dict[Identity, Shared] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def read(self, order_id: str) -> orders_pb2.Order:
        """Read an order of the caller's marketplace. Callers must be a marketplace or its support.

        Raises: OrderNotFound; as the calls. A caller that is cancelled cancels no other.
        """
        who = identity.current()
        shared = self._gathering.get(who)
        if shared is None or len(shared) == ORDERS_MAX:
            shared = self._gathering[who] = {}
            task = asyncio.create_task(self._carry_out(who, shared))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        answer = shared.get(order_id)
        if answer is None:
            answer = shared[order_id] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(answer)

    async def _carry_out(self, who: Identity, shared: Shared) -> None:
        # The task begins in the next turn. From now on, nobody may join.
        if self._gathering.get(who) is shared:
            del self._gathering[who]
        if len(shared) == 1:
            await self._read_apart(shared)
            return
        try:
            orders = await self._read_several(list(shared))
        except Internal:
            # One order may have a fault, or the service is of a version without this call. Each
            # reader then gets their own answer.
            await self._read_apart(shared)
            return
        except Exception as error:  # noqa: BLE001 - every reader gets it
            for answer in shared.values():
                _refuse(answer, error)
            return
        found = {order.id: order for order in orders}
        for order_id, answer in shared.items():
            if order_id in found:
                answer.set_result(found[order_id])
            else:
                _refuse(answer, OrderNotFound("Order not found"))

    async def _read_apart(self, shared: Shared) -> None:
        async def read(order_id: str, answer: "asyncio.Future[orders_pb2.Order]") -> None:
            try:
                answer.set_result(await self._read_one(order_id))
            except Exception as error:  # noqa: BLE001 - the reader gets it
                _refuse(answer, error)

        await asyncio.gather(*(read(order_id, answer) for order_id, answer in shared.items()))


def _refuse(answer: "asyncio.Future[orders_pb2.Order]", error: Exception) -> None:
    answer.set_exception(error)
    # An error that nobody waits for any more is not an error of the program.
    answer.exception()
