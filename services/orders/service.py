"""The commands on orders. Each method runs one use case of order/use_cases.py on an order.

order/use_cases.py has the preconditions and decisions. Each command raises AmountDiffersFromOrder
if its caller names an amount other than the order's.
"""

import uuid
from collections.abc import Sequence

import orjson

from chassis import identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer
from kernel.clock import Clock
from kernel.urls import require_url
from services.orders.operations.commands import CommandRunner, Request
from services.orders.order import use_cases
from services.orders.order.domain import Decision, DisputeReason, Party
from services.orders.order.store import OrderStore
from services.orders.queries import DisputeNotFound


class OrderService:
    """Commands on orders."""

    def __init__(
        self, *, database: Database, orders: OrderStore, commands: CommandRunner, clock: Clock
    ) -> None:
        self._database = database
        self._orders = orders
        self._commands = commands
        self._clock = clock

    async def reserve_funds(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Hold the buyer's money.

        Raises: OrderNotFound; OrderInWrongState; AmountDiffersFromOrder; InsufficientFunds.
        """
        reserve = use_cases.RESERVE
        return await self._commands.run(
            request, order_id, lambda order, _id: reserve.accept(order), at_once=reserve
        )

    async def create_escrow(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Deploy the order's contract.

        Raises: OrderNotFound; OrderInWrongState; EscrowAlreadyExists.
        """
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.create_escrow(order, at=self._clock.now()),
        )

    async def fund_escrow(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Lock the money on chain. Waits while the contract is being deployed.

        Raises: OrderNotFound; OrderInWrongState; EscrowNotReady; ProviderError.
        """
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.fund_escrow(order, at=self._clock.now()),
        )

    async def release_funds(
        self,
        request: Request,
        *,
        order_id: uuid.UUID,
        by: Party,
        delta_score_tenths: int | None = None,
        is_forced: bool = False,
    ) -> Answer:
        """Pay the seller. is_forced: pay even if milestones are not completed.

        Raises: OrderNotFound; OrderInWrongState; MilestonesIncomplete.
        """
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.release(
                order,
                by=by,
                delta_score_tenths=delta_score_tenths,
                is_forced=is_forced,
                at=self._clock.now(),
            ),
        )

    async def complete_milestone(
        self, request: Request, *, order_id: uuid.UUID, ref: str
    ) -> Answer:
        """Mark a part of the work on chain, for both sides; no money moves.

        Raises: OrderNotFound; MilestoneNotFound; OrderInWrongState; ProviderError.
        """
        return await self._commands.run(
            request, order_id, lambda order, _id: use_cases.complete_milestone(order, ref=ref)
        )

    async def confirm(
        self, request: Request, *, order_id: uuid.UUID, user_id: uuid.UUID | None
    ) -> Answer:
        """Accept the work and pay the seller.

        Raises: OrderNotFound; NotPersonal; OrderInWrongState.
        """
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.confirm(order, user_id=user_id, at=self._clock.now()),
        )

    async def cancel(
        self,
        request: Request,
        *,
        order_id: uuid.UUID,
        by: Party,
        reason: str,
        user_id: uuid.UUID | None,
    ) -> Answer:
        """Close an order that has no escrow.

        by: the party on whose behalf a marketplace acts; a person always acts as the buyer.

        Raises: OrderNotFound; NotPersonal; OrderInWrongState.
        """
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.cancel(order, by=by, reason=reason, user_id=user_id),
        )

    async def expire(
        self, request: Request, *, order_id: uuid.UUID, version: int, reason: str
    ) -> Answer:
        """Close an order that was not funded in time, if it is still at this version.

        Raises: OrderNotFound; OrderInWrongState.
        """
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.expire(
                use_cases.unchanged(order, version=version), reason=reason
            ),
        )

    async def accept_delivery(
        self, request: Request, *, order_id: uuid.UUID, version: int
    ) -> Answer:
        """Pay the seller of an unanswered delivery, if the order is still at this version.

        Source: reference §3, auto-confirm by SYSTEM. Raises: OrderNotFound; OrderInWrongState.
        """
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.release(
                use_cases.unchanged(order, version=version),
                by=Party.SYSTEM,
                delta_score_tenths=None,
                is_forced=True,
                at=self._clock.now(),
            ),
        )

    async def refund(
        self, request: Request, *, order_id: uuid.UUID, by: Party, reason: str
    ) -> Answer:
        """Pay the buyer back. Raises: OrderNotFound; OrderInWrongState."""
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.refund(order, by=by, reason=reason, at=self._clock.now()),
        )

    async def open_dispute(
        self,
        request: Request,
        *,
        order_id: uuid.UUID,
        by: Party,
        reason: DisputeReason,
        description: str,
        evidence: Sequence[str],
        user_id: uuid.UUID | None,
    ) -> Answer:
        """Freeze the order until support decides.

        Raises: OrderNotFound; NotParty; OrderInWrongState; DisputeAlreadyOpen; InvalidUrl.
        """
        for index, url in enumerate(evidence):
            require_url(url, field=f"evidence[{index}]")
        return await self._commands.run(
            request,
            order_id,
            lambda order, operation_id: use_cases.open_dispute(
                order,
                operation_id=operation_id,
                user_id=user_id,
                by=by,
                reason=reason,
                description=description,
                evidence=orjson.dumps(list(evidence)).decode(),
                at=self._clock.now(),
            ),
        )

    async def resolve_dispute(
        self,
        request: Request,
        *,
        dispute_id: uuid.UUID,
        decision: Decision,
        release: int | None,
        refund: int | None,
        note: str,
    ) -> Answer:
        """Pay out a decision and close the order. release, refund: minor units, for SPLIT only.

        Raises: DisputeNotFound; DisputeIsOwn; OrderInWrongState; SplitAmountsMismatch;
            DecisionAlreadyMade.
        """
        found = await self._commands.find(
            request, lambda tx: self._disputed(tx, request, dispute_id)
        )
        if isinstance(found, Answer):
            return found
        who = identity.current()
        return await self._commands.run(
            request,
            found,
            lambda order, _id: use_cases.resolve_dispute(
                order,
                decision=decision,
                release=release,
                refund=refund,
                note=note,
                resolved_by=who.principal,
                resolved_by_name=who.name,
                own_user_id=who.own_user_id,
            ),
        )

    async def _disputed(
        self, tx: Transaction, request: Request, dispute_id: uuid.UUID
    ) -> uuid.UUID:
        found = await self._orders.id_of_dispute(
            tx, marketplace_id=request.marketplace_id, dispute_id=dispute_id
        )
        if found is None:
            raise DisputeNotFound("Dispute not found")
        return found

    async def deliver(
        self,
        request: Request,
        *,
        order_id: uuid.UUID,
        notes: str,
        url: str,
        user_id: uuid.UUID | None,
    ) -> Answer:
        """Record the delivery.

        Raises: OrderNotFound; NotBusiness; OrderInWrongState; InvalidUrl.
        """
        if url:
            require_url(url, field="url")
        return await self._commands.run(
            request,
            order_id,
            lambda order, _id: use_cases.deliver(
                order, user_id=user_id, notes=notes, url=url, at=self._clock.now()
            ),
        )

    async def pay(
        self, request: Request, *, order_id: uuid.UUID, user_id: uuid.UUID | None
    ) -> Answer:
        """Reserve the money, create the escrow and fund it, in one operation.

        Raises: OrderNotFound; NotPersonal; OrderInWrongState; InsufficientFunds; ProviderError.
        """
        return await self._commands.run(
            request, order_id, lambda order, _id: use_cases.pay(order, user_id=user_id)
        )
