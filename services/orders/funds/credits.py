"""Credits: the platform pays a user's wallet on chain, and the ledger books it once confirmed.

A credit is leased work (chassis/leases.py). Its command and its transfer have ids derived from its
own, so that processes that carry it out at the same time pay and book it once: escrow has one
command of that id, the ledger one transfer. The lease decides who may end it. A credit that another
process may be asking escrow for is not failed, since its reference would be free while it is paid.
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
    """The credit's command is quarantined: an operator must look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredit:
    """What a caller asks for; user: UUID or public id, amount: minor units."""

    user: str
    amount: int
    reference: str
    description: str


def command_id_of(credit: Credit) -> uuid.UUID:
    """Return the id of escrow's command that pays a credit."""
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
    """Credits of the marketplaces."""

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
        # Begun here, and escrow has never been asked for them.
        self._unasked: set[Lease] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def credit(self, key: RequestKey, new: NewCredit, *, wait_seconds: float) -> Answer:
        """Pay a user, once per reference; answers the credit as it is when the wait ends.

        Raises: UserNotFound; ManualCreditDisabled; ReferenceTaken; InvalidAmountFormat;
            ProviderError: the chain refused, and the reference is free again;
            FailedPrecondition: escrow refused it, and nothing of it was begun.
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
                # Another request's; whichever process carries it out may have ended it just now.
                await self._ends.look()
            await self._ends.for_ring(ended, seconds=wait_seconds)
        return await self._answer(begun.id, key)

    async def run(self) -> None:
        """Take over what dead processes have left, and renew leases, until cancelled."""
        await self._leases.run()

    async def watch(self) -> None:
        """Look for ends in other processes while somebody waits, until cancelled."""
        await self._ends.watch()

    async def stop_waiting(self) -> None:
        """Answer everybody who waits with the credit as it is: the process is about to stop."""
        await self._ends.stop()

    async def close(self) -> None:
        """Stop what was begun here; it is taken over by the next process."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _new(
        self, tx: Transaction, key: RequestKey, new: NewCredit, credit_id: uuid.UUID
    ) -> Credit:
        """Make a credit that is not written. Raises: ManualCreditDisabled; UserNotFound."""
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
        """Write a credit, leased to this process, or find the one that has its reference."""
        found = await credit_store.insert_or_same(tx, new)
        if found.id == new.id:
            await self._trail.record(tx, _begun(new), marketplace_id=new.marketplace_id)
        if found.id != new.id and found.state == "RUNNING":
            # It answers another request; this one is answered by looking, and kept at its end.
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
        """Read how a credit stands. Raises: the refusal that it ended with."""
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
        # Of a credit that was asked for before, another answer may still be on its way: then a
        # refusal does not end it.
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
        """End a credit of which nothing was paid and nothing is in flight: its reference is free.

        refusal: kept as the answer of its request; None: the request may be made again.
        Raises: LeaseLost: another process has it, and may have begun it.
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
        """Find out whether the credit is still this process's; True: it is not.

        It may have been ended by a commit whose answer did not arrive, or taken over.
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
