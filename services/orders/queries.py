"""The use cases of orders that need no operation: creation and all reads."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import orjson

from chassis import identity
from chassis.database import Database, constraint_name
from chassis.gathering import Gathering, apart
from chassis.idempotency import Answer, Idempotency, IdempotencyKeyInProgress, RequestKey
from chassis.outbox import Outbox
from chassis.waiting import Bell
from kernel.clock import Clock
from kernel.errors import NotFound
from kernel.ids import derived_id, new_id
from services.orders.lookups import store as lookups
from services.orders.lookups.filters import Filter, Place, Sort
from services.orders.lookups.store import Page
from services.orders.operations import hot, lines
from services.orders.operations.operation import Operation
from services.orders.operations.operation_store import OperationStore
from services.orders.order import use_cases
from services.orders.order.domain import Fact, FinalStatus, Order, Origin, UserName
from services.orders.order.intake import NewOrder, require_amounts, require_json, settling_asset
from services.orders.order.marketplace_rules import MarketplaceRules, marketplace_rules
from services.orders.order.parties import require_party
from services.orders.order.store import ClientOrderRefTaken, OrderStore, with_version
from services.orders.peers.ports import EscrowPort, LedgerPort, TimelineItem
from services.orders.people.party_store import PartyStore
from services.orders.people.user_store import UserStore

NAMES_KEPT = 50_000
# The most orders that are written together.
TOGETHER_MAX = 64
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
        new_words: Bell,
    ) -> None:
        """Take the parts.

        platform_fee_bps: the default platform fee in basis points, by origin. new_words: rung after
        a new order is written, to wake the indexer.
        """
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
        self._new_words = new_words
        self._creating = Gathering(self._write, name="orders.create", size_max=TOGETHER_MAX)
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

        async with self._idempotency.keeping_refusals(self._database, key):
            buyer, seller, rate = await self._terms(key.marketplace_id, new)
            order, facts = use_cases.create(
                new,
                order_id=new_id(),
                marketplace_id=key.marketplace_id,
                buyer=buyer,
                seller=seller,
                asset=asset,
                rate=rate,
                at=self._clock.now(),
            )
            return await self._create(key, with_version(order, facts), facts)

    async def _create(self, key: RequestKey, order: Order, facts: Sequence[Fact]) -> Answer:
        """Write order, event and answer, or return the answer stored earlier."""
        body = self._encode(order, None)
        new = hot.creation(
            order=order,
            facts=facts,
            key=key,
            body=body,
            change=lines.created(order),
            request_id=identity.current_request_id(),
        )
        try:
            is_made = await self._creating.do(new)
        except Exception as error:
            if constraint_name(error) == "orders_client_ref":
                raise await self._ref_taken(order) from None
            raise
        if is_made:
            self._new_words.ring()
            return Answer(body=body)
        async with self._database.transaction() as tx:
            known = await self._idempotency.claim(tx, key)
            if known is None:
                raise IdempotencyKeyInProgress("The idempotency key has just expired; retry")
            return known

    async def _write(self, new: Sequence[hot.Creation]) -> list[bool]:
        """Write new orders in one statement. Returns of each whether its key was new.

        Raises: OneOfThemError: nothing was written; Unavailable: the outcome is unknown.
        """
        async with apart(), self._database.statement() as connection:
            if len(new) == 1:
                return [await hot.create(connection, new[0])]
            await hot.create_several(connection, new)
        return [True] * len(new)

    async def _ref_taken(self, order: Order) -> ClientOrderRefTaken:
        """Make the refusal of a used reference. It names the order that has the reference.

        A client that lost the answer to its first request can thus find the order.
        """
        found = await self.list_orders(
            marketplace_id=order.marketplace_id,
            chosen=Filter(client_order_ref=order.client_order_ref),
            sort=Sort.NEWEST,
            after=None,
            limit=1,
        )
        details = {"clientOrderRef": order.client_order_ref}
        if found.orders:
            details["orderId"] = found.orders[0].public_id
        return ClientOrderRefTaken("clientOrderRef belongs to another order", details=details)

    async def _terms(
        self, marketplace_id: uuid.UUID, new: NewOrder
    ) -> tuple[UserName, UserName, int]:
        """Return buyer, seller and the platform fee in basis points. Raises: UserNotFound."""
        buyer = await self._name(marketplace_id, new.buyer)
        seller = await self._name(marketplace_id, new.seller)
        known = self._rules.get(marketplace_id)
        if known is None or known[0] < time.monotonic():
            async with self._database.statement() as connection:
                rules = await marketplace_rules(connection, marketplace_id)
            known = self._rules[marketplace_id] = (time.monotonic() + RULES_KEPT_SECONDS, rules)
        rate = known[1].platform_fee_bps(new.origin)
        return buyer, seller, self._platform_fee_bps[new.origin] if rate is None else rate

    async def get_order(
        self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID
    ) -> tuple[Order, Operation | None]:
        """Read an order and its running operation in one snapshot. Raises: OrderNotFound."""
        async with self._database.statement() as connection:
            return await hot.read(connection, marketplace_id=marketplace_id, order_id=order_id)

    async def get_orders(
        self, *, marketplace_id: uuid.UUID, order_ids: Sequence[uuid.UUID]
    ) -> list[tuple[Order, Operation | None]]:
        """Read those orders that exist, with their running operations, in one snapshot."""
        async with self._database.statement() as connection:
            return await hot.read_several(
                connection, marketplace_id=marketplace_id, order_ids=order_ids
            )

    async def list_orders(
        self,
        *,
        marketplace_id: uuid.UUID,
        chosen: Filter,
        sort: Sort,
        after: Place | None,
        limit: int,
    ) -> Page:
        """List orders and their running operations, sorted by `sort`, in one snapshot.

        An order must match every given filter; an unknown user has no orders.
        """
        sides: dict[str, uuid.UUID | None] = {"buyer_id": None, "seller_id": None}
        for column, ref in (("buyer_id", chosen.buyer), ("seller_id", chosen.seller)):
            if ref:
                try:
                    sides[column] = (await self._name(marketplace_id, ref)).id
                except NotFound:
                    return Page(orders=[], operations={}, looked_to=None)
        async with self._database.statement() as connection:
            return await lookups.page(
                connection,
                marketplace_id=marketplace_id,
                chosen=chosen,
                sides=sides,
                sort=sort,
                after=after,
                limit=limit,
            )

    async def _name(self, marketplace_id: uuid.UUID, ref: str) -> UserName:
        """Find the user that a reference names. Raises: UserNotFound."""
        # The names are kept without expiry: a reference never changes to another user.
        known = self._names.get((marketplace_id, ref))
        if known is None:
            async with self._database.statement() as connection:
                user = await self._users.find(connection, marketplace_id=marketplace_id, ref=ref)
            if len(self._names) >= NAMES_KEPT:
                self._names.clear()
            known = self._names[marketplace_id, ref] = user.name
        return known

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
        """List the orders of one side, newest first, and count all orders that match the filter."""
        async with self._database.transaction() as tx:
            return await PartyStore().page(
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
        """List everything that happened to an order, oldest first. Raises: OrderNotFound."""
        async with self._database.transaction() as tx:
            order = await self._orders.get(tx, marketplace_id=marketplace_id, order_id=order_id)
            bodies = await self._orders.events(
                tx, marketplace_id=marketplace_id, public_id=order.public_id
            )
            failed = await self._operations.failed(
                tx, marketplace_id=marketplace_id, order_id=order_id
            )
        items = [_transition(body) for body in bodies] + failed
        items += [_with_names(item, order) for item in await self._ledger.timeline(order_id)]
        items += await self._escrow.timeline(order_id)
        return sorted(items, key=lambda item: item.at)

    async def receipt(
        self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID, reader: uuid.UUID | None
    ) -> tuple[uuid.UUID, Order]:
        """Return a completed order and the id of its receipt. reader: the user who asks; None: any.

        Raises: OrderNotFound; NotParty; ReceiptNotFound.
        """
        async with self._database.transaction() as tx:
            order = await self._orders.get(tx, marketplace_id=marketplace_id, order_id=order_id)
        require_party(order, reader)
        if order.final_status is not FinalStatus.RELEASED:
            raise ReceiptNotFound("The order has no receipt: it is not completed")
        return derived_id(order_id, "receipt"), order


def _with_names(item: TimelineItem, order: Order) -> TimelineItem:
    """Name the accounts of the order and of its parties by public ids."""
    names = {f"user:{user.id}": f"user:{user.public_id}" for user in (order.buyer, order.seller)}
    names[f"escrow:{order.id}"] = f"escrow:{order.public_id}"
    details = {
        key: names.get(str(value), value) if key in {"debit", "credit"} else value
        for key, value in item.details.items()
    }
    return replace(item, details=details)


def _transition(body: bytes) -> TimelineItem:
    event = orjson.loads(body)
    return TimelineItem(
        at=event["occurredAt"],
        kind="TRANSITION",
        name=event["eventType"],
        details=event["payload"],
    )
