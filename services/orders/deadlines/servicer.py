"""The RPCs on the marketplace itself: decode, call one use case, encode."""

import datetime as dt
from typing import Any

import grpc
from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from chassis.idempotency import request_key
from chassis.identity import REPLAYED_KEY, allow
from services.orders.deadlines import wire
from services.orders.deadlines.chosen import Chosen

Context = grpc.aio.ServicerContext[Any, Any]
ACCESS = {
    "GetMarketplace": allow("gateway", "operator", scope="read"),
    "AdvanceClock": allow("gateway", scope="write"),
}


class MarketplaceMethods:
    """The RPCs on the caller's marketplace, a mixin of OrdersServicer."""

    _chosen: Chosen

    async def GetMarketplace(
        self, request: orders_pb2.GetMarketplaceRequest, context: Context
    ) -> orders_pb2.Marketplace:
        del request, context
        found = await self._chosen.read(identity.current().marketplace_id)
        return wire.to_proto(found)

    async def AdvanceClock(
        self, request: orders_pb2.AdvanceClockRequest, context: Context
    ) -> orders_pb2.Marketplace:
        by = dt.timedelta(seconds=request.seconds)
        answer = await self._chosen.advance(request_key(request), by=by)
        if answer.replayed:
            context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
        return orders_pb2.Marketplace.FromString(answer.body)
