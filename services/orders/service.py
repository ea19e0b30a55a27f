"""The use cases that change an order: each says what must hold, and what begins.

The command runner records it in one visible transaction; the saga carries it out. Any of them may
be refused with AmountDiffersFromOrder, where its caller names another amount than the order's.
"""

import uuid
from collections.abc import Sequence

import orjson

from chassis import identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer
from kernel.clock import Clock
from kernel.ids import derived_id
from kernel.urls import require_url
from services.orders import domain, endings, parties
from services.orders.commands import CommandRunner, Quick, Request
from services.orders.domain import Decided, Decision, DisputeReason, Order, Party, State, Trigger
from services.orders.operations import Kind
from services.orders.queries import DisputeNotFound
from services.orders.store import OrderStore


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

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            domain.require(order, Trigger.RESERVE)
            return order, ()

        quick = Quick(state=State.ORDER_CREATED)
        return await self._commands.run(request, order_id, Kind.RESERVE, begin, {}, quick=quick)

    async def create_escrow(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Deploy the order's contract.

        Raises: OrderNotFound; OrderInWrongState; EscrowAlreadyExists.
        """

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            escrow_id = derived_id(order.id, "escrow")
            return domain.escrow_creating(order, escrow_id=escrow_id, at=self._clock.now())

        return await self._commands.run(request, order_id, Kind.CREATE_ESCROW, begin, {})

    async def fund_escrow(self, request: Request, *, order_id: uuid.UUID) -> Answer:
        """Lock the money on chain; waits for a contract that is still being deployed.

        Raises: OrderNotFound; OrderInWrongState; EscrowNotReady; ProviderError.
        """

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            return domain.escrow_funding(order, at=self._clock.now())

        return await self._commands.run(request, order_id, Kind.FUND_ESCROW, begin, {})

    async def release_funds(
        self,
        request: Request,
        *,
        order_id: uuid.UUID,
        by: Party,
        delta_score_tenths: int | None = None,
    ) -> Answer:
        """Pay the seller. Raises: OrderNotFound; OrderInWrongState."""

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            return endings.release_requested(
                order, by=by, delta_score_tenths=delta_score_tenths, at=self._clock.now()
            )

        return await self._commands.run(request, order_id, Kind.RELEASE, begin, {})

    async def confirm(
        self, request: Request, *, order_id: uuid.UUID, user_id: uuid.UUID | None
    ) -> Answer:
        """Accept the work and pay the seller.

        Raises: OrderNotFound; NotPersonal; OrderInWrongState.
        """

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            parties.require_buyer(order, user_id)
            return endings.release_requested(order, by=Party.BUYER, at=self._clock.now())

        return await self._commands.run(request, order_id, Kind.RELEASE, begin, {})

    async def cancel(
        self,
        request: Request,
        *,
        order_id: uuid.UUID,
        by: Party,
        reason: str,
        user_id: uuid.UUID | None,
    ) -> Answer:
        """Close an order that has no escrow. by: on whose behalf; a person acts on their own.

        Raises: OrderNotFound; NotPersonal; OrderInWrongState.
        """
        if user_id is not None:
            by = Party.BUYER

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            if user_id is not None:
                parties.require_buyer(order, user_id)
            domain.require(order, Trigger.CANCEL)
            return order, ()

        context = {"by": by.value, "reason": reason}
        return await self._commands.run(request, order_id, Kind.CANCEL, begin, context)

    async def refund(
        self, request: Request, *, order_id: uuid.UUID, by: Party, reason: str
    ) -> Answer:
        """Pay the buyer back. Raises: OrderNotFound; OrderInWrongState."""

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            return endings.refund_requested(order, by=by, at=self._clock.now())

        context = {"reason": reason}
        return await self._commands.run(request, order_id, Kind.REFUND, begin, context)

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

        def begin(order: Order, operation: uuid.UUID) -> Decided:
            return endings.disputed(
                order,
                dispute_id=derived_id(operation, "dispute"),
                by=parties.side_of(order, user_id) or by,
                reason=reason,
                at=self._clock.now(),
            )

        context = {
            "description": description,
            "evidence": orjson.dumps(list(evidence)).decode(),
            "initiated_by": str(user_id) if user_id else "",
        }
        return await self._commands.run(request, order_id, Kind.OPEN_DISPUTE, begin, context)

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
        """Pay a decision out and close the order; amounts in minor units, for SPLIT only.

        Raises: DisputeNotFound; OrderInWrongState; SplitAmountsMismatch; DecisionAlreadyMade.
        """
        found = await self._commands.find(
            request, lambda tx: self._disputed(tx, request, dispute_id)
        )
        if isinstance(found, Answer):
            return found
        to_seller, to_buyer = endings.shares(
            found, decision=decision, release=release, refund=refund
        )

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            parties.require_disputed(order)
            return order, ()

        context = {
            "decision": decision.value,
            "release": str(to_seller),
            "refund": str(to_buyer),
            "note": note,
            "resolved_by": identity.current().principal,
        }
        return await self._commands.run(request, found.id, Kind.RESOLVE_DISPUTE, begin, context)

    async def _disputed(self, tx: Transaction, request: Request, dispute_id: uuid.UUID) -> Order:
        marketplace_id = request.marketplace_id
        found = await self._orders.id_of_dispute(
            tx, marketplace_id=marketplace_id, dispute_id=dispute_id
        )
        if found is None:
            raise DisputeNotFound("No such dispute")
        return await self._orders.get(tx, marketplace_id=marketplace_id, order_id=found)

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

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            parties.require_seller(order, user_id)
            return endings.delivered(order, notes=notes, url=url, at=self._clock.now())

        return await self._commands.run(
            request, order_id, Kind.RELEASE, begin, {}, needs_peers=False
        )

    async def pay(
        self, request: Request, *, order_id: uuid.UUID, user_id: uuid.UUID | None
    ) -> Answer:
        """Reserve, create and fund in one operation.

        Raises: OrderNotFound; NotPersonal; OrderInWrongState; InsufficientFunds; ProviderError.
        """

        def begin(order: Order, _operation: uuid.UUID) -> Decided:
            parties.require_buyer(order, user_id)
            if order.state is not State.FUNDS_RESERVED:
                domain.require(order, Trigger.RESERVE)
            return order, ()

        return await self._commands.run(request, order_id, Kind.PAY, begin, {})
