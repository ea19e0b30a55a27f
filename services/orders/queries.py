"""The use cases of orders that need no operation: creation, and everything that only reads."""

import time
import uuid
from collections.abc import Callable, Mapping

import orjson

from chassis import identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.outbox import Outbox
from kernel.clock import Clock
from kernel.errors import NotFound
from kernel.ids import derived_id, new_id
from kernel.money import fee_half_up
from services.orders import domain
from services.orders.domain import FinalStatus, Order, Origin, State, UserName
from services.orders.intake import (
    BuyerIsSeller,
    NewOrder,
    require_amounts,
    require_json,
    settling_asset,
)
from services.orders.marketplaces import MarketplaceRules, marketplace_rules
from services.orders.operation_store import OperationStore
from services.orders.operations import Operation
from services.orders.ports import EscrowPort, LedgerPort, TimelineItem
from services.orders.store import OrderStore
from services.orders.user_store import UserStore

NAMES_KEPT = 50_000
RULES_KEPT_SECONDS = 5.0


class DisputeNotFound(NotFound):
    """No order of the marketplace has this dispute."""

    reason = "DISPUTE_NOT_FOUND"


class ReceiptNotFound(NotFound):
    """The order has not been completed."""

    reason = "RECEIPT_NOT_FOUND"


class OrderQueries:
    """Creation of orders, and reading."""

    def __init__(
        self,
        *,
        database: Database,
        outbox: Outbox,
        idempotency: Idempotency,
        ledger: LedgerPort,
        escrow: EscrowPort,
        clock: Clock,
        encode: Callable[[Order, Operation | None], bytes],
        platform_fee_bps: Mapping[Origin, int],
    ) -> None:
        """Take the parts; platform_fee_bps: basis points a marketplace takes, by origin."""
        self._database = database
        self._orders = OrderStore(outbox)
        self._users = UserStore(outbox)
        self._operations = OperationStore()
        self._idempotency = idempotency
        self._ledger = ledger
        self._escrow = escrow
        self._clock = clock
        self._encode = encode
        self._platform_fee_bps = platform_fee_bps
        self._names: dict[tuple[uuid.UUID, str], UserName] = {}
        self._rules: dict[uuid.UUID, tuple[float, MarketplaceRules]] = {}

    async def create_order(self, key: RequestKey, new: NewOrder) -> Answer:
        """Create an order; no money moves.

        Raises: UserNotFound; BuyerIsSeller; InvalidCurrency; InvalidAmountFormat;
            MilestonesMismatch; ClientOrderRefTaken; InvalidArgument.
        """
        asset = settling_asset(new)
        require_amounts(new)
        require_json(new)

        async def work(tx: Transaction) -> bytes:
            buyer = await self._name(tx, key.marketplace_id, new.buyer)
            seller = await self._name(tx, key.marketplace_id, new.seller)
            if buyer.id == seller.id:
                raise BuyerIsSeller(
                    "Buyer and seller must differ",
                    fields=[("seller", "must not be the buyer")],
                )
            rate = await self._rate(tx, key.marketplace_id, new.origin)
            parties = (buyer, seller)
            order = self._order(new, key.marketplace_id, asset=asset, parties=parties, rate=rate)
            decided, facts = domain.created(order)
            saved = await self._orders.insert(
                tx, decided, facts, request_id=identity.current_request_id()
            )
            return self._encode(saved, None)

        # A reference that is taken is found out by its own statement, which is waited for then.
        return await self._idempotency.execute(
            self._database, key, work, is_pipelined=not new.client_order_ref
        )

    async def _name(self, tx: Transaction, marketplace_id: uuid.UUID, ref: str) -> UserName:
        """Name a user; names never change, so they are remembered. Raises: UserNotFound."""
        known = self._names.get((marketplace_id, ref))
        if known is None:
            known = (await self._users.find(tx, marketplace_id=marketplace_id, ref=ref)).name
            if len(self._names) >= NAMES_KEPT:
                self._names.clear()
            self._names[marketplace_id, ref] = known
        return known

    async def _rate(self, tx: Transaction, marketplace_id: uuid.UUID, origin: Origin) -> int:
        """Return the platform fee in basis points; a change counts within a few seconds."""
        known = self._rules.get(marketplace_id)
        if known is None or known[0] < time.monotonic():
            rules = await marketplace_rules(tx, marketplace_id)
            known = (time.monotonic() + RULES_KEPT_SECONDS, rules)
            self._rules[marketplace_id] = known
        rate = known[1].platform_fee_bps(origin)
        return self._platform_fee_bps[origin] if rate is None else rate

    def _order(
        self,
        new: NewOrder,
        marketplace_id: uuid.UUID,
        *,
        asset: str,
        parties: tuple[UserName, UserName],
        rate: int,
    ) -> Order:
        now = self._clock.now()
        return Order(
            id=new_id(),
            marketplace_id=marketplace_id,
            buyer=parties[0],
            seller=parties[1],
            asset=asset,
            currency=new.currency or asset,
            amount=new.amount,
            title=new.title,
            description=new.description,
            state=State.ORDER_CREATED,
            origin=new.origin,
            created_at=now,
            updated_at=now,
            client_order_ref=new.client_order_ref,
            milestones=new.milestones,
            metadata_json=new.metadata_json,
            platform_fee_bps=rate,
            platform_fee=fee_half_up(new.amount, basis_points=rate),
            intention_id=new.intention_id,
            contract_template_id=new.contract_template_id,
            contract_id=new.contract_id,
            contract_terms_json=new.contract_terms_json,
        )

    async def get_order(
        self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> tuple[Order, Operation | None]:
        """Read an order and the operation in motion on it. Raises: OrderNotFound."""
        async with self._database.transaction() as tx:
            order = await self._orders.get(tx, marketplace_id=marketplace_id, order_id=order_id)
            operation = await self._operations.running(
                tx, marketplace_id=marketplace_id, order_id=order_id
            )
        return order, operation

    async def list_orders(
        self,
        *,
        marketplace_id: uuid.UUID,
        state: State | None,
        buyer: str,
        seller: str,
        after: uuid.UUID | None,
        limit: int,
    ) -> list[Order]:
        """List orders newest first; every filter given must hold, an unknown user has none."""
        filters: dict[str, object] = {} if state is None else {"state": state.value}
        async with self._database.transaction() as tx:
            for column, ref in (("buyer_id", buyer), ("seller_id", seller)):
                if ref:
                    try:
                        user = await self._users.find(tx, marketplace_id=marketplace_id, ref=ref)
                    except NotFound:
                        return []
                    filters[column] = user.id
            return await self._orders.page(
                tx, marketplace_id=marketplace_id, filters=filters, after=after, limit=limit
            )

    async def list_party_orders(
        self,
        *,
        marketplace_id: uuid.UUID,
        user_id: uuid.UUID,
        is_seller: bool,
        status: str,
        offset: int,
        limit: int,
    ) -> tuple[list[Order], int]:
        """List one side's orders newest first, with the total of the filter."""
        async with self._database.transaction() as tx:
            return await self._orders.party_page(
                tx,
                marketplace_id=marketplace_id,
                column="seller_id" if is_seller else "buyer_id",
                user_id=user_id,
                status=status,
                offset=offset,
                limit=limit,
            )

    async def timeline(
        self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> list[TimelineItem]:
        """Tell everything that happened to an order, oldest first. Raises: OrderNotFound."""
        async with self._database.transaction() as tx:
            order = await self._orders.get(tx, marketplace_id=marketplace_id, order_id=order_id)
            bodies = await self._orders.events(
                tx, marketplace_id=marketplace_id, public_id=order.public_id
            )
        items = [_transition(body) for body in bodies]
        items += await self._ledger.timeline(order_id)
        items += await self._escrow.timeline(order_id)
        return sorted(items, key=lambda item: item.at)

    async def receipt(
        self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> tuple[uuid.UUID, Order]:
        """Return a completed order and its receipt's id.

        Raises: OrderNotFound; ReceiptNotFound.
        """
        async with self._database.transaction() as tx:
            order = await self._orders.get(tx, marketplace_id=marketplace_id, order_id=order_id)
        if order.final_status is not FinalStatus.RELEASED:
            raise ReceiptNotFound("The order has no receipt: it is not completed")
        return derived_id(order_id, "receipt"), order


def _transition(body: str) -> TimelineItem:
    event = orjson.loads(body)
    return TimelineItem(
        at=event["occurredAt"],
        kind="TRANSITION",
        name=event["eventType"],
        details=event["payload"],
    )
