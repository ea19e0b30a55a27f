"""The gRPC methods by which operators and marketplaces redirect a payout."""

import uuid
from dataclasses import dataclass
from typing import Any

import grpc
from orchestrator.escrow.v1 import escrow_pb2

from chassis import identity
from chassis.idempotency import request_key
from chassis.identity import REPLAYED_KEY, allow
from services.escrow import wire
from services.escrow.operating.by_rule import Asked, RedirectsByRule
from services.escrow.operating.redirects import Redirects

Context = grpc.aio.ServicerContext[Any, Any]
ACCESS = {
    "RedirectPayout": allow("operator"),
    # Orders enforces the marketplace's rule, and passes on the marketplace's principal.
    "RedirectPayoutByRule": allow("orders"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirecting:
    """The two ways to redirect: two operators together, or a marketplace by its rule."""

    operators: Redirects
    by_rule: RedirectsByRule


class RedirectMethods:
    """The methods of the escrow servicer that redirect payouts."""

    _redirects: Redirecting

    async def RedirectPayout(  # noqa: N802, D102 - the contract's name
        self,
        request: escrow_pb2.RedirectPayoutRequest,
        context: Context,  # noqa: ARG002 - part of every method
    ) -> escrow_pb2.Redirect:
        found = await self._redirects.operators.redirect(
            marketplace_id=identity.current().marketplace_id,
            order_id=uuid.UUID(request.order_id),
            party=wire.party(request.party),
            address=request.address,
            why=request.why,
            by=identity.current_operator(),
        )
        return wire.redirect(found)

    async def RedirectPayoutByRule(  # noqa: N802, D102 - the contract's name
        self, request: escrow_pb2.RedirectPayoutByRuleRequest, context: Context
    ) -> escrow_pb2.Redirect:
        asked = Asked(
            key=request_key(request),
            order_id=uuid.UUID(request.order_id),
            party=wire.party(request.party),
            address=request.address,
            why=request.why,
            approval_hours=request.approval_hours,
            wait_seconds=request.wait_seconds,
        )
        answer = await self._redirects.by_rule.redirect(asked)
        if answer.replayed:
            context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
        return escrow_pb2.Redirect.FromString(answer.body)
