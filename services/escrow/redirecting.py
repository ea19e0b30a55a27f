"""The gRPC method by which operators redirect a payout."""

import uuid
from typing import Any

import grpc
from orchestrator.escrow.v1 import escrow_pb2

from chassis import identity
from services.escrow import wire
from services.escrow.operating.redirects import Redirects

Context = grpc.aio.ServicerContext[Any, Any]


class RedirectMethods:
    """A part of the escrow servicer."""

    _redirects: Redirects

    async def RedirectPayout(  # noqa: N802, D102 - the contract's name
        self,
        request: escrow_pb2.RedirectPayoutRequest,
        context: Context,  # noqa: ARG002 - part of every method
    ) -> escrow_pb2.Redirect:
        found = await self._redirects.redirect(
            marketplace_id=identity.current().marketplace_id,
            order_id=uuid.UUID(request.order_id),
            party=wire.party(request.party),
            address=request.address,
            why=request.why,
            by=identity.current_operator(),
        )
        return wire.redirect(found)
