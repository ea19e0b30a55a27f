"""A rehearsal: a command is accepted and carried out in memory, without any effect.

The use cases and steps are those of the real command; their stores and peers are replaced. Rows are
read in a read-only transaction, changes are kept in memory, no idempotency key is used, and the
peers only answer what they would do.
"""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from chassis import identity
from chassis.audit import Asked, Change, Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.leases import Lease
from kernel.errors import DomainError, Unavailable
from services.orders.offers.offer import Decided as DecidedOffer
from services.orders.offers.offer import Offer
from services.orders.offers.store import OfferStore
from services.orders.operations import hot
from services.orders.operations.commands import Command, CommandRunner, Request
from services.orders.operations.operation import Operation
from services.orders.operations.operation_store import OperationStore
from services.orders.operations.saga import Decide, NotYet, Run, Saga
from services.orders.order.domain import Fact, Order
from services.orders.order.store import OrderStore, with_version
from services.orders.withdrawals.carrier import Carrier
from services.orders.withdrawals.domain import Withdrawal
from services.orders.withdrawals.store import WithdrawalStore


class NoKeys(Idempotency):
    """Stores no answers and claims no keys."""

    async def execute(
        self,
        database: Database,
        key: RequestKey,
        work: Callable[[Transaction], Awaitable[bytes]],
    ) -> Answer:
        """Run the work in a transaction. Raises: what the work raises."""
        del key
        async with database.transaction() as tx:
            return Answer(body=await work(tx))

    @asynccontextmanager
    async def keeping_refusals(self, database: Database, key: RequestKey) -> AsyncIterator[None]:
        """Keep nothing."""
        del database, key
        yield

    async def claim(self, tx: Transaction, key: RequestKey) -> Answer | None:
        """Claim no key."""
        return None

    async def known(self, tx: Transaction, key: RequestKey) -> Answer | None:
        """Find no stored answer."""
        return None

    async def finish(self, tx: Transaction, key: RequestKey, body: bytes) -> None:
        """Keep nothing."""

    async def refuse(self, tx: Transaction, key: RequestKey, error: DomainError) -> None:
        """Raise the refusal that would be stored."""
        raise error


class NoTrail(Trail):
    """Writes no lines, because a preview changes nothing."""

    async def record(
        self,
        tx: Transaction,
        change: Change,
        *,
        marketplace_id: uuid.UUID,
        asked: Asked | None = None,
    ) -> None:
        """Write nothing."""


class OrdersRead(OrderStore):
    """Reads orders; saves them only in memory."""

    async def save(
        self,
        tx: Transaction,
        *,
        before: Order,
        after: Order,
        facts: Sequence[Fact] = (),
        request_id: str,
    ) -> Order:
        """Return the order as it would be saved."""
        return with_version(after, facts)


class OperationsRead(OperationStore):
    """Reads operations, and writes none."""

    async def insert(self, tx: Transaction, operation: Operation) -> None:
        """Write nothing."""


class OffersRead(OfferStore):
    """Reads offers without locks, and writes none."""

    async def save(
        self, tx: Transaction, decided: DecidedOffer, *, at: dt.datetime, request_id: str
    ) -> None:
        """Write nothing."""

    async def lock(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        order_id: uuid.UUID,
        offer_id: uuid.UUID,
    ) -> Offer:
        """Read an offer. Raises: OfferNotFound."""
        return await self.get(
            tx, marketplace_id=marketplace_id, order_id=order_id, offer_id=offer_id
        )


class WithdrawalsRead(WithdrawalStore):
    """Reads withdrawals without locks. kept: the withdrawal that would be written."""

    kept: Withdrawal

    async def insert(
        self, tx: Transaction, withdrawal: Withdrawal, fact: Fact, *, key: RequestKey, request: str
    ) -> None:
        """Keep a new withdrawal."""
        self.kept = withdrawal

    async def lock(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, withdrawal_id: uuid.UUID
    ) -> Withdrawal:
        """Read a withdrawal. Raises: WithdrawalNotFound."""
        return await self.find(tx, marketplace_id=marketplace_id, withdrawal_id=withdrawal_id)

    async def under(self, tx: Transaction, lease: Lease) -> tuple[Withdrawal, RequestKey, str]:
        """Return the withdrawal in memory."""
        key = RequestKey(
            marketplace_id=lease.marketplace_id, scope="", key="preview", fingerprint=b""
        )
        return self.kept, key, ""

    async def begin(
        self, tx: Transaction, withdrawal: Withdrawal, *, key: RequestKey, request: str
    ) -> int:
        """Keep a withdrawal that is carried out."""
        self.kept = withdrawal
        return 1

    async def save(
        self, tx: Transaction, withdrawal: Withdrawal, fact: Fact, *, request: str
    ) -> None:
        """Keep a withdrawal that has changed."""
        self.kept = withdrawal

    async def submit(
        self, tx: Transaction, withdrawal: Withdrawal, fact: Fact, *, request: str
    ) -> None:
        """Keep a withdrawal that waits for an approval."""
        self.kept = withdrawal

    async def lock_user(self, tx: Transaction, withdrawal: Withdrawal) -> None:
        """Lock nothing."""

    async def note(self, tx: Transaction, withdrawal: Withdrawal) -> None:
        """Keep a withdrawal that has changed without an event."""
        self.kept = withdrawal


class RehearsedCommands(CommandRunner):
    """Begins commands on orders that are read without a lock."""

    async def begin_at_once(self, command: Command) -> tuple[Operation, Order] | None:
        """Write nothing: the general path makes the same decision."""
        return None

    async def claim_and_lock(self, tx: Transaction, command: Command) -> Answer | hot.Begun:
        """Read the order and its running operation. Raises: OrderNotFound."""
        order, operation = await hot.read(
            tx, marketplace_id=command.request.marketplace_id, order_id=command.order_id
        )
        return hot.Begun(order=order, operation=operation)


class RehearsedRun(Run):
    """A run whose steps change the order only in memory."""

    async def hold(self) -> None:
        """Check no lease, because the calls have no effect."""

    async def advance(self, decide: Decide, *, answers: bool = False, ends: bool = False) -> Order:
        """Decide on the order in memory. Raises: what `decide` raises."""
        after, facts = decide(await self.order())
        self._order = with_version(after, facts)
        return self._order

    async def refuse(
        self, error: DomainError, *, decide: Decide | None = None, note: str = ""
    ) -> None:
        """Raise the refusal that the caller would get."""
        raise error


class RehearsedSaga(Saga):
    """Carries out operations in memory."""

    @property
    def is_stopping(self) -> bool:
        """Return True, so that no command waits for a running operation."""
        return True

    def start(self, operation: Operation, order: Order | None = None, *, asked_at: float) -> Run:
        """Start no task: `answer` does the work."""
        return RehearsedRun(self, operation, order)

    async def answer(self, run: Run, *, timeout_seconds: float) -> Answer:
        """Carry out an operation in memory; return the order as it would be.

        Raises: the refusal that the operation would end with; Unavailable: a peer is unavailable.
        """
        system = identity.system(caller="orders", marketplace_id=run.operation.marketplace_id)
        with identity.acting_as(system):
            try:
                await self.steps[run.operation.kind](run)
            except NotYet:
                raise Unavailable("Another command must end first; try again") from None
        return Answer(body=self.encode(await run.order(), None))


class RehearsedCarrier(Carrier):
    """Carries out withdrawals in memory."""

    async def carried(self, lease: Lease, request: Request, *, asked_at: float) -> Answer:
        """Carry out a withdrawal in memory; return it as it would be.

        Raises: the refusal that its commit would end with; Unavailable: a peer is unavailable.
        """
        with identity.acting_as(
            identity.system(caller="orders", marketplace_id=lease.marketplace_id)
        ):
            await self.carry_out(lease)
        async with self._database.transaction() as tx:
            kept, _, _ = await self._store.under(tx, lease)
        return Answer(body=self._encode(kept))

    async def hold(self, lease: Lease) -> None:
        """Check no lease, because the calls have no effect."""
