"""Work that starts at a time: act on the deadlines of orders, and fold the parties' counts.

The database stores when an order entered its state, or was delivered, and compares that time with
its own clock. Deadlines therefore survive restarts, and another machine's wrong clock moves no
money.
"""

from dataclasses import replace

from chassis import identity
from chassis.audit import CLOCK, Change, Trail
from chassis.database import Database
from chassis.idempotency import RequestKey, fingerprint_of
from chassis.telemetry import logger
from kernel.clock import Clock
from kernel.errors import DomainError
from services.orders.deadlines.store import DeadlineStore, Due
from services.orders.operations.commands import Request
from services.orders.operations.operation_store import OperationStore
from services.orders.order import deadlines
from services.orders.order.deadlines import RULES, Action, Rule
from services.orders.order.domain import Order
from services.orders.order.store import OrderMovedOn, OrderStore
from services.orders.people.party_store import PartyStore
from services.orders.service import OrderService

BATCH = 50
log = logger()


class Timers:
    """The work of the background loops."""

    def __init__(
        self, *, database: Database, orders: OrderStore, service: OrderService, clock: Clock
    ) -> None:
        self._database = database
        self._orders = orders
        self._operations = OperationStore()
        self._deadlines = DeadlineStore()
        self._parties = PartyStore()
        self._service = service
        self._clock = clock
        self._trail = Trail()

    async def meet_deadlines(self) -> int:
        """Warn of the deadlines that are near, then act on those that have passed.

        An order is always warned before its deadline is acted on. If an operator has abandoned a
        payout of the order, the deadline moves no money. Returns how many deadlines have passed.
        """
        met = 0
        for rule in RULES:
            async with self._database.statement() as connection:
                near = await self._deadlines.near(connection, rule, limit=BATCH)
            for due in near:
                await self._tell(due, rule, is_over=False)
            async with self._database.statement() as connection:
                passed = await self._deadlines.passed(connection, rule, limit=BATCH)
            for due in passed:
                if rule.action in {Action.TELL, Action.ESCALATE} or due.is_abandoned:
                    await self._tell(due, rule, is_over=True)
                else:
                    await self._begin(due, rule)
            met += len(passed)
        return met

    async def fold_totals(self) -> None:
        """Fold the parties' counts into totals, unless another process is doing so."""
        async with self._database.statement() as connection:
            if not await self._parties.has_changes(connection):
                return
        async with self._database.transaction() as tx:
            await self._parties.fold_totals(tx)

    async def _tell(self, due: Due, rule: Rule, *, is_over: bool) -> None:
        """Publish a warning, or that a deadline has passed, if the order has not changed."""
        try:
            async with self._database.transaction() as tx:
                names = {"marketplace_id": due.marketplace_id, "order_id": due.order_id}
                before = await self._orders.lock(tx, **names)
                is_running = await self._operations.running(tx, **names) is not None
                if before.version != due.version or is_running:
                    return
                at = self._clock.now()
                if is_over:
                    after, facts = deadlines.passed(before, rule, at=at)
                else:
                    after, facts = deadlines.warned(before, rule, due_at=due.due_at, at=at)
                await self._orders.save(tx, before=before, after=after, facts=facts, request_id="")
                await self._deadlines.note(tx, due, told="passed" if is_over else "warned")
                change = _told(after, rule, is_over=is_over)
                await self._trail.record(tx, change, marketplace_id=due.marketplace_id)
        except (DomainError, OrderMovedOn) as error:
            # The next pass tries again.
            log.info("deadline.not_told", order_id=str(due.order_id), error=type(error).__name__)

    async def _begin(self, due: Due, rule: Rule) -> None:
        """Begin the operation of the default action, once for this version of the order."""
        own = identity.system(caller="orders", marketplace_id=due.marketplace_id)
        # The operation stores the principal that began it: the clock.
        identity.bind(replace(own, principal=CLOCK))
        key = RequestKey(
            marketplace_id=due.marketplace_id,
            scope="timer",
            key=f"{rule.name}:{due.order_id}:{due.version}",
            fingerprint=fingerprint_of(rule.name.encode(), due.order_id.bytes),
        )
        request = Request(marketplace_id=due.marketplace_id, key=key, wait_seconds=0)
        order_id, version = due.order_id, due.version
        try:
            if rule.action is Action.RELEASE:
                await self._service.accept_delivery(request, order_id=order_id, version=version)
            else:
                await self._service.expire(
                    request, order_id=order_id, version=version, reason=rule.why
                )
        except DomainError as error:
            # The order has changed, or a peer is unavailable: the next pass tries again.
            log.info("deadline.not_met", order_id=str(order_id), error=error.reason)


def _told(order: Order, rule: Rule, *, is_over: bool) -> Change:
    return Change(
        action="order.deadline_passed" if is_over else "order.deadline_warned",
        target_type="order",
        target_id=order.public_id,
        after={"state": order.state.value, "deadline": rule.name},
    )
