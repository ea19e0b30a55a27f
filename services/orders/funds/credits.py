"""Credits: the platform pays a user's wallet on chain, and then the ledger books the payment.

A credit is leased work (chassis/leases.py). The ids of its command and transfer are derived from
its own id, so two processes that carry it out at the same time pay and book it once. Only the
holder of the lease may end a credit. A refusal does not fail a credit that another process may
also be asking escrow for: the reference would become free while the credit is paid.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass

from chassis import deadline, identity
from chassis.audit import Change, Trail
from chassis.database import Database, Transaction
from chassis.idempotency import STORED_KINDS, Answer, Idempotency, RequestKey
from chassis.leases import Lease, LeaseLost, Leases
from chassis.telemetry import logger
from chassis.waiting import Ends
from kernel.clock import Clock
from kernel.errors import DomainError, FailedPrecondition
from kernel.ids import derived_id, new_id
from kernel.money import USDC, to_text
from services.orders.funds import credit_store
from services.orders.funds.credit import Credit
from services.orders.funds.credit_store import LEASE_SECONDS, LEASES
from services.orders.order.intake import require_whole_cents
from services.orders.order.marketplace_rules import marketplace_rules
from services.orders.peers.ports import EscrowPort, LedgerPort, ProviderError, Transfer
from services.orders.people.user_store import UserStore

COMMAND_WAIT_SECONDS = 20
TAKE_OVER_SECONDS = 5.0
CREDITS_MAX = 500
log = logger()


class ManualCreditDisabled(FailedPrecondition):
    """The marketplace does not allow manual credits."""

    reason = "MANUAL_CREDIT_DISABLED"


class CreditQuarantined(Exception):
    """The credit's command is quarantined; an operator must act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredit:
    """The content of a request for a credit. user: UUID or public id; amount: minor units."""

    user: str
    amount: int
    reference: str
    description: str


def command_id_of(credit: Credit) -> uuid.UUID:
    """Return the id of the escrow command that pays a credit."""
    return derived_id(credit.id, "credit")


def transfer_of(credit: Credit, transaction_hash: str) -> Transfer:
    """Return the transfer that books a credit."""
    return Transfer(
        id=derived_id(credit.id, "transfer"),
        type="SINGLE",
        code="MANUAL_CREDIT",
        order_id=None,
        debit="manual",
        credit=f"user:{credit.user.id}",
        asset=USDC,
        amount=credit.amount,
        transaction_hash=transaction_hash,
        reason=credit.reference,
    )


class CreditService:
    """The use case of manual credits, and the leased work that carries them out."""

    def __init__(
        self,
        *,
        database: Database,
        users: UserStore,
        idempotency: Idempotency,
        ledger: LedgerPort,
        escrow: EscrowPort,
        clock: Clock,
        encode: Callable[[Credit], bytes],
    ) -> None:
        self._database = database
        self._users = users
        self._idempotency = idempotency
        self._trail = Trail()
        self._ledger = ledger
        self._escrow = escrow
        self._clock = clock
        self._encode = encode
        self._leases = Leases(
            database=database,
            table=LEASES,
            seconds=LEASE_SECONDS,
            most=CREDITS_MAX,
            carry_out=self._carry_out,
            troubled=self._troubled,
            idle_seconds=TAKE_OVER_SECONDS,
        )
        self._ends: Ends[uuid.UUID] = Ends(self._ended_among)
        # Credits begun by this process whose command has not been sent to escrow.
        self._unasked: set[Lease] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def credit(self, key: RequestKey, new: NewCredit, *, wait_seconds: float) -> Answer:
        """Pay a user, once per reference; return the credit as it is when the wait ends.

        Raises: UserNotFound; ManualCreditDisabled; ReferenceTaken; InvalidAmountFormat;
            ProviderError: the chain refused, and the reference is free again;
            FailedPrecondition: escrow refused the command, and nothing was begun.
        """
        require_whole_cents(new.amount)
        credit_id = new_id()
        asked_at = time.monotonic()

        async def once() -> Credit | Answer:
            nonlocal asked_at
            asked_at = time.monotonic()
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.claim(tx, key)) is not None:
                    return known
                return await self._begun(tx, await self._new(tx, key, new, credit_id))

        async with self._idempotency.keeping_refusals(self._database, key):
            begun = await self._database.retrying(once)
        if isinstance(begun, Answer):
            return begun

        with self._ends.registered(begun.id) as ended:
            if begun.id == credit_id:
                self._begin(begun, asked_at=asked_at)
            else:
                # The credit of another request. Any process may have ended it just now.
                await self._ends.look()
            await self._ends.for_ring(ended, seconds=wait_seconds)
        return await self._answer(begun.id, key)

    async def run(self) -> None:
        """Take over credits of dead processes, and renew leases, until cancelled."""
        await self._leases.run()

    async def watch(self) -> None:
        """Poll for credits that other processes end, while a caller waits; until cancelled."""
        await self._ends.watch()

    async def stop_waiting(self) -> None:
        """Answer all waiting callers with the credit as it is: the process is about to stop."""
        await self._ends.stop()

    async def close(self) -> None:
        """Stop the credits of this process. Another process takes them over."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _new(
        self, tx: Transaction, key: RequestKey, new: NewCredit, credit_id: uuid.UUID
    ) -> Credit:
        """Make a credit without writing it. Raises: ManualCreditDisabled; UserNotFound."""
        rules = await marketplace_rules(tx, key.marketplace_id)
        if not rules.allows_manual_credit:
            raise ManualCreditDisabled("The marketplace does not allow manual credits")
        user = await self._users.find(tx, marketplace_id=key.marketplace_id, ref=new.user)
        return Credit(
            id=credit_id,
            marketplace_id=key.marketplace_id,
            key=key,
            user=user.name,
            amount=new.amount,
            reference=new.reference,
            description=new.description,
            created_at=self._clock.now(),
        )

    async def _begun(self, tx: Transaction, new: Credit) -> Credit | Answer:
        """Insert a credit, leased to this process, or find the existing one with its reference."""
        found = await credit_store.insert_or_same(tx, new)
        if found.id == new.id:
            await self._trail.record(tx, _begun(new), marketplace_id=new.marketplace_id)
        if found.id != new.id and found.state == "RUNNING":
            # The credit answers another request. This request waits for the credit's end, and its
            # answer is stored then.
            await self._idempotency.release(tx, new.key)
        if found.state != "SUCCEEDED":
            return found
        body = self._encode(found)
        await self._idempotency.finish(tx, new.key, body)
        return Answer(body=body)

    def _begin(self, credit: Credit, *, asked_at: float) -> None:
        lease = credit_store.lease_of(credit)
        self._unasked.add(lease)
        task = self._leases.begin(lease, asked_at=asked_at)
        self._tasks.add(task)

        def is_over(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            self._unasked.discard(lease)

        task.add_done_callback(is_over)

    async def _answer(self, credit_id: uuid.UUID, key: RequestKey) -> Answer:
        """Read a credit as the answer of a request. Raises: the refusal that it ended with."""
        async with self._database.transaction() as tx:
            credit = await credit_store.by_id(tx, credit_id)
            if credit.state == "FAILED":
                try:
                    await self._idempotency.known(tx, credit.key)
                except STORED_KINDS as refusal:
                    refusal.replayed = False
                    raise
        if credit.state == "FAILED":
            raise ProviderError("The chain refused the payment", details={"reason": credit.error})
        body = self._encode(credit)
        if credit.state == "SUCCEEDED" and credit.key != key:

            async def kept(_tx: Transaction) -> bytes:
                return body

            return await self._idempotency.execute(self._database, key, kept)
        return Answer(body=body)

    async def _ended_among(self, credit_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
        async with self._database.transaction() as tx:
            return await credit_store.ended_among(tx, credit_ids)

    async def _carry_out(self, lease: Lease) -> None:
        """Pay a credit and book it.

        Raises: LeaseLost; CreditQuarantined; what escrow or the ledger raises.
        """
        identity.bind(identity.system(caller="orders", marketplace_id=lease.marketplace_id))
        deadline.start(None)
        async with self._database.transaction() as tx:
            credit = await credit_store.under(tx, lease)

        await self._leases.hold(lease)
        # If the command was sent before, another answer to it may still arrive. A refusal then
        # does not end the credit.
        is_first = lease in self._unasked
        self._unasked.discard(lease)
        command_id = command_id_of(credit)
        try:
            command = await self._escrow.credit(
                command_id=command_id, user_id=credit.user.id, amount=credit.amount
            )
        except FailedPrecondition as refusal:
            if not is_first:
                raise
            await self._fail(credit, lease, error=refusal.reason, refusal=refusal)
            return
        while command.state == "RUNNING":
            command = await self._escrow.command(
                command_id=command_id, wait_seconds=COMMAND_WAIT_SECONDS
            )

        if command.state == "SUCCEEDED":
            await self._succeed(credit, lease, command.payments[0].transaction_hash)
        elif command.state == "FAILED":
            log.error("credit.failed", credit_id=str(credit.id), error=command.error_reason)
            error = command.error_message or command.error_reason
            await self._fail(credit, lease, error=error, refusal=None)
        else:
            log.error("credit.stuck", credit_id=str(credit.id), reason=command.error_reason)
            raise CreditQuarantined

    async def _succeed(self, credit: Credit, lease: Lease, transaction_hash: str) -> None:
        """Book a credit and end it. Raises: LeaseLost."""
        transfer = transfer_of(credit, transaction_hash)
        await self._leases.hold(lease)
        (posted,) = await self._ledger.post([transfer])
        if posted.is_refused:
            raise RuntimeError(f"the ledger refused a credit: {posted.reason}")

        async with self._database.transaction() as tx:
            ended = await credit_store.finish(
                tx, lease, transaction_hash=transaction_hash, at=self._clock.now()
            )
            await self._idempotency.finish(tx, credit.key, self._encode(ended))
        self._ends.ended(credit.id)

    async def _fail(
        self, credit: Credit, lease: Lease, *, error: str, refusal: DomainError | None
    ) -> None:
        """End a credit as failed, and free its reference. Nothing was paid or can still be paid.

        refusal: stored as the answer of its request; None: the request may be repeated.

        Raises: LeaseLost: another process has the credit, and may have sent its command.
        """
        async with self._database.transaction() as tx:
            await credit_store.fail(tx, lease, error=error, at=self._clock.now())
            await self._trail.record(tx, _failed(credit), marketplace_id=credit.marketplace_id)
            if refusal is None:
                await self._idempotency.release(tx, credit.key)
            else:
                await self._idempotency.refuse(tx, credit.key, refusal)
        self._ends.ended(credit.id)

    async def _troubled(self, lease: Lease, error: Exception, waited: float) -> bool:
        """Return whether the lease is lost.

        A lease is also lost when the credit was ended by a commit whose answer did not arrive.
        """
        reason = error.reason if isinstance(error, DomainError) else type(error).__name__
        log.warning("credit.waits", credit_id=str(lease.id), error=reason, seconds=int(waited))
        try:
            async with self._database.transaction() as tx:
                await LEASES.fence(tx, lease)
        except LeaseLost:
            log.warning("credit.lease_lost", credit_id=str(lease.id))
            return True
        except Exception as unknown:  # noqa: BLE001 - the next try finds out
            log.warning("credit.lease_unknown", error=type(unknown).__name__)
        return False


def _begun(credit: Credit) -> Change:
    return Change(
        action="balance.credit",
        target_type="user",
        target_id=credit.user.public_id,
        after={"amount": to_text(credit.amount), "reference": credit.reference},
    )


def _failed(credit: Credit) -> Change:
    return Change(
        action="balance.credit_failed",
        target_type="user",
        target_id=credit.user.public_id,
        before={"reference": credit.reference},
        after={"reference": None},
    )
