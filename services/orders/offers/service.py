"""The use cases of offers. An operation pays an accepted offer, as it pays a decided split."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from chassis import identity
from chassis.audit import Change, Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from kernel.ids import new_id, to_public
from kernel.money import to_text
from services.orders.offers import offer as offers
from services.orders.offers.offer import Offer, State
from services.orders.offers.store import Now, OfferStore
from services.orders.operations.commands import CommandRunner, Request
from services.orders.order import parties, use_cases
from services.orders.order.domain import Order, Party
from services.orders.order.store import OrderStore
from services.orders.order.use_cases import Accepted

# The most overdue offers that lapse in one transaction.
BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferService:
    """The use cases. hours: how long an offer is open, by the marketplace's clock.

    encode: encodes an offer as bytes. user_id, in the methods: the person who asks; None: a
    marketplace, which acts for both sides.
    """

    database: Database
    orders: OrderStore
    store: OfferStore
    commands: CommandRunner
    idempotency: Idempotency
    trail: Trail
    encode: Callable[[Offer], bytes]
    hours: int

    async def make(
        self,
        key: RequestKey,
        *,
        order_id: uuid.UUID,
        by: Party,
        refund: int,
        message: str,
        user_id: uuid.UUID | None,
    ) -> Answer:
        """Offer the other side a partial refund.

        by: the side for which a marketplace acts; a person acts for their own side.

        Raises: OrderNotFound; NotParty; OfferAmountNotValid; OrderInWrongState; OfferAlreadyOpen;
            TooManyOffers.
        """

        async def work(tx: Transaction) -> bytes:
            order = await self.orders.lock(tx, marketplace_id=key.marketplace_id, order_id=order_id)
            side = parties.side_of(order, user_id) or by
            now = await self.store.now(tx, key.marketplace_id)
            before = [await self._lapsed(tx, one, now) for one in await self._of(tx, order)]

            decided = offers.made(
                order,
                offer_id=new_id(),
                by=side,
                refund=refund,
                message=message,
                at=now.at,
                expires_at=now.time + dt.timedelta(hours=self.hours),
                before=before,
            )

            await self.store.add(tx, decided, request_id=identity.current_request_id())
            await self._note(tx, "make", None, decided[0])
            return self.encode(decided[0])

        return await self.idempotency.execute(self.database, key, work)

    async def accept(
        self,
        request: Request,
        *,
        order_id: uuid.UUID,
        offer_id: uuid.UUID,
        by: Party | None,
        user_id: uuid.UUID | None,
    ) -> Answer:
        """Accept an offer, pay both sides, and close the order.

        by: the side for which a marketplace acts; None: the other side, whichever it is.

        Raises: OrderNotFound; NotParty; OfferNotFound; OfferIsOwn; OfferNotOpen; OrderInWrongState.
        """

        async def within(tx: Transaction, order: Order, _operation_id: uuid.UUID) -> Accepted:
            side = parties.side_of(order, user_id) or by
            offer = await self._lock(tx, order, offer_id)
            now = await self.store.now(tx, request.marketplace_id)

            if offer.state is State.OPEN:
                # Closing an order also ends the time of its offer. The refusal must name the
                # order's state instead of a lapsed offer.
                offers.require_agreeable(order)
            after, fact = offers.accepted(offer, by=side, at=now.at, time=now.time)

            await self._save(tx, (after, fact), at=now.at)
            return use_cases.agree(
                order,
                offer_id=offer.id,
                release=offer.release,
                refund=offer.refund,
                by=after.decided_by or Party.SYSTEM,
                at=now.at,
            )

        return await self.commands.run_within(request, order_id, within)

    async def decline(
        self,
        key: RequestKey,
        *,
        order_id: uuid.UUID,
        offer_id: uuid.UUID,
        by: Party | None,
        user_id: uuid.UUID | None,
    ) -> Answer:
        """Decline an offer, in any state of the order; no money moves. by, Raises: as `accept`."""

        async def work(tx: Transaction) -> bytes:
            order = await self.orders.lock(tx, marketplace_id=key.marketplace_id, order_id=order_id)
            side = parties.side_of(order, user_id) or by
            offer = await self._lock(tx, order, offer_id)
            now = await self.store.now(tx, key.marketplace_id)

            decided = offers.declined(offer, by=side, at=now.at, time=now.time)

            await self._save(tx, decided, at=now.at)
            await self._note(tx, "decline", offer, decided[0])
            return self.encode(decided[0])

        return await self.idempotency.execute(self.database, key, work)

    async def get(
        self,
        *,
        marketplace_id: uuid.UUID,
        order_id: uuid.UUID,
        offer_id: uuid.UUID,
        reader: uuid.UUID | None,
    ) -> Offer:
        """Read an offer. reader: the person who asks, who must be a side; None: no side asks.

        Raises: OrderNotFound; NotParty; OfferNotFound.
        """
        async with self.database.transaction() as tx:
            order = await self.orders.get(tx, marketplace_id=marketplace_id, order_id=order_id)
            parties.require_party(order, reader)
            return await self.store.get(
                tx, marketplace_id=marketplace_id, order_id=order_id, offer_id=offer_id
            )

    async def of_order(
        self, *, marketplace_id: uuid.UUID, order_id: uuid.UUID, reader: uuid.UUID | None
    ) -> list[Offer]:
        """List an order's offers, newest first. reader: as in `get`.

        Raises: OrderNotFound; NotParty.
        """
        async with self.database.transaction() as tx:
            order = await self.orders.get(tx, marketplace_id=marketplace_id, order_id=order_id)
            parties.require_party(order, reader)
            return await self._of(tx, order)

    async def lapse_overdue(self) -> int:
        """Let overdue offers lapse, by their marketplaces' clocks; return how many lapsed."""
        async with self.database.transaction() as tx:
            overdue = await self.store.lock_overdue(tx, limit=BATCH)
            for offer in overdue:
                now = await self.store.now(tx, offer.marketplace_id)
                decided = offers.lapsed(offer, at=now.at)
                await self._save(tx, decided, at=now.at)
                await self._note(tx, "lapse", offer, decided[0])
        return len(overdue)

    async def _lapsed(self, tx: Transaction, offer: Offer, now: Now) -> Offer:
        """Let an open offer lapse if it is overdue; return it as it is then."""
        if offer.state is not State.OPEN or now.time < offer.expires_at:
            return offer
        locked = await self.store.lock(
            tx,
            marketplace_id=offer.marketplace_id,
            order_id=offer.order_id,
            offer_id=offer.id,
        )
        if locked.state is not State.OPEN:
            return locked
        decided = offers.lapsed(locked, at=now.at)
        await self._save(tx, decided, at=now.at)
        with identity.acting_as(
            identity.system(caller="orders", marketplace_id=offer.marketplace_id)
        ):
            await self._note(tx, "lapse", locked, decided[0])
        return decided[0]

    async def _of(self, tx: Transaction, order: Order) -> list[Offer]:
        return await self.store.of_order(tx, marketplace_id=order.marketplace_id, order_id=order.id)

    async def _lock(self, tx: Transaction, order: Order, offer_id: uuid.UUID) -> Offer:
        return await self.store.lock(
            tx, marketplace_id=order.marketplace_id, order_id=order.id, offer_id=offer_id
        )

    async def _save(self, tx: Transaction, decided: offers.Decided, *, at: dt.datetime) -> None:
        await self.store.save(tx, decided, at=at, request_id=identity.current_request_id())

    async def _note(self, tx: Transaction, verb: str, before: Offer | None, after: Offer) -> None:
        change = Change(
            action=f"offer.{verb}",
            target_type="offer",
            target_id=after.public_id,
            before={} if before is None else {"status": before.state.value},
            after={"status": after.state.value, **({} if before else _new(after))},
        )
        await self.trail.record(tx, change, marketplace_id=after.marketplace_id)


def _new(offer: Offer) -> dict[str, object]:
    return {"orderId": to_public("ord", offer.order_id), "refundAmount": to_text(offer.refund)}
