"""Credits: the platform pays a user's wallet on chain, and the ledger books it once confirmed.

A credit's command and transfer have ids derived from it, so that two processes that carry it out
at once do the same thing once. Its epoch decides who may fail it: a credit that another process may
be asking escrow for is not failed, since its reference would be free while it is paid.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from chassis import deadline, identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.telemetry import logger
from kernel.clock import Clock
from kernel.errors import DomainError, FailedPrecondition
from kernel.ids import derived_id, new_id
from kernel.money import USDC
from services.orders.funds.credit import Credit
from services.orders.funds.credit_store import (
    by_id,
    fail,
    finish,
    insert_or_same,
    running,
    take_over,
)
from services.orders.order.domain import UserName
from services.orders.order.intake import require_whole_cents
from services.orders.order.marketplace_rules import marketplace_rules
from services.orders.peers.ports import Command, EscrowPort, LedgerPort, ProviderError, Transfer
from services.orders.people.user_store import UserStore

COMMAND_WAIT_SECONDS = 20
RESUME_SECONDS = 5.0
RESUME_BATCH = 500
# A credit younger than this is carried out by the process that began it.
RESUME_AGE_SECONDS = 15
log = logger()


class ManualCreditDisabled(FailedPrecondition):
    """The marketplace does not allow manual credits."""

    reason = "MANUAL_CREDIT_DISABLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredit:
    """What a caller asks for; user: UUID or public id, amount: minor units."""

    user: str
    amount: int
    reference: str
    description: str


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
        self._ledger = ledger
        self._escrow = escrow
        self._clock = clock
        self._encode = encode
        self._tasks: dict[uuid.UUID, asyncio.Task[DomainError | None]] = {}
        self._stopping = asyncio.Event()

    async def credit(self, key: RequestKey, new: NewCredit, *, wait_seconds: float) -> Answer:
        """Pay a user, once per reference; answers the credit as it is when the wait ends.

        Raises: UserNotFound; ManualCreditDisabled; ReferenceTaken; InvalidAmountFormat;
            ProviderError: the chain refused, and the reference is free again;
            FailedPrecondition: escrow refused it, and nothing of it was begun.
        """
        require_whole_cents(new.amount)

        async def once() -> Credit | Answer:
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.claim(tx, key)) is not None:
                    return known
                credit = Credit(
                    id=new_id(),
                    marketplace_id=key.marketplace_id,
                    key=key,
                    user=await self._payee(tx, key.marketplace_id, new.user),
                    amount=new.amount,
                    reference=new.reference,
                    description=new.description,
                    created_at=self._clock.now(),
                )
                return await self._begun(tx, credit)

        async with self._idempotency.keeping_refusals(self._database, key):
            begun = await self._database.retrying(once)
        if isinstance(begun, Answer):
            return begun
        task = self._start(begun, is_new=begun.key == key)
        stopping = asyncio.ensure_future(self._stopping.wait())
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait({task, stopping}, timeout=wait_seconds, return_when=first)
        stopping.cancel()
        if task.done() and (refusal := task.result()) is not None:
            raise refusal
        return await self._answer(begun.id, key)

    async def _begun(self, tx: Transaction, new: Credit) -> Credit | Answer:
        """Write a credit, or find the one that has its reference."""
        found = await insert_or_same(tx, new)
        if found.id != new.id and found.state == "RUNNING":
            # It answers another request; this one is answered by looking, and kept at its end.
            await self._idempotency.release(tx, new.key)
        if found.state != "SUCCEEDED":
            return found
        body = self._encode(found)
        await self._idempotency.finish(tx, new.key, body)
        return Answer(body=body)

    async def _answer(self, credit_id: uuid.UUID, key: RequestKey) -> Answer:
        async with self._database.transaction() as tx:
            credit = await by_id(tx, credit_id)
        if credit.state == "FAILED":
            raise ProviderError("The chain refused the payment", details={"reason": credit.error})
        body = self._encode(credit)
        if credit.state == "SUCCEEDED" and credit.key != key:

            async def kept(_tx: Transaction) -> bytes:
                return body

            return await self._idempotency.execute(self._database, key, kept)
        return Answer(body=body)

    async def resume(self) -> None:
        """Carry out credits whose process has died, until cancelled."""
        while True:
            async with self._database.transaction() as tx:
                waiting = await running(tx, older_seconds=RESUME_AGE_SECONDS, limit=RESUME_BATCH)
            for credit in waiting:
                self._start(credit)
            await asyncio.sleep(RESUME_SECONDS)

    async def stop_waiting(self) -> None:
        """Answer everybody who waits with the credit as it is: the process is about to stop."""
        self._stopping.set()

    async def close(self) -> None:
        """Stop; what is unfinished is carried out by the next process."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _payee(self, tx: Transaction, marketplace_id: uuid.UUID, ref: str) -> UserName:
        rules = await marketplace_rules(tx, marketplace_id)
        if not rules.allows_manual_credit:
            raise ManualCreditDisabled("The marketplace does not allow manual credits")
        user = await self._users.find(tx, marketplace_id=marketplace_id, ref=ref)
        return user.name

    def _start(self, credit: Credit, *, is_new: bool = False) -> asyncio.Task[DomainError | None]:
        task = self._tasks.get(credit.id)
        if task is None:
            task = asyncio.create_task(self._drive(credit, is_new=is_new))
            self._tasks[credit.id] = task
            task.add_done_callback(lambda _done: self._tasks.pop(credit.id, None))
        return task

    async def _drive(self, credit: Credit, *, is_new: bool) -> DomainError | None:
        """Carry a credit out as far as it goes; returns the refusal it ended with, if any.

        is_new: escrow has never been asked. Only then is its refusal an end: of one that was asked
        for before, another answer may still be on its way.
        """
        identity.bind(identity.system(caller="orders", marketplace_id=credit.marketplace_id))
        deadline.start(None)
        try:
            if not is_new:
                async with self._database.transaction() as tx:
                    taken = await take_over(tx, credit)
                if taken is None:
                    return None
                credit = taken
            command = await self._pay(credit)
            if command.state == "SUCCEEDED":
                await self._succeed(credit, command.payments[0].transaction_hash)
            elif command.state == "FAILED":
                await self._fail(credit, command.error_message or command.error_reason)
            else:
                log.error("credit.stuck", credit_id=str(credit.id), reason=command.error_reason)
        except FailedPrecondition as refusal:
            if is_new and await self._refuse(credit, refusal):
                return refusal
            log.warning("credit.waits", credit_id=str(credit.id), error=refusal.reason)
        except Exception as error:  # noqa: BLE001 - tried again by `resume`
            log.warning("credit.waits", credit_id=str(credit.id), error=type(error).__name__)
        return None

    async def _refuse(self, credit: Credit, refusal: DomainError) -> bool:
        """Nothing was begun: the reference is free, and the request keeps its refusal.

        False: another process has taken the credit over, and may have begun it.
        """
        async with self._database.transaction() as tx:
            is_over = await fail(tx, credit, error=refusal.reason, at=self._clock.now())
            if is_over:
                await self._idempotency.refuse(tx, credit.key, refusal)
        return is_over

    async def _succeed(self, credit: Credit, transaction_hash: str) -> None:
        await self._book(credit, transaction_hash)
        async with self._database.transaction() as tx:
            await finish(tx, credit, transaction_hash=transaction_hash, at=self._clock.now())
            body = self._encode(await by_id(tx, credit.id))
            await self._idempotency.finish(tx, credit.key, body)

    async def _fail(self, credit: Credit, error: str) -> None:
        """Nothing was paid and nothing is in flight: the request may be made again."""
        log.error("credit.failed", credit_id=str(credit.id), error=error)
        async with self._database.transaction() as tx:
            if await fail(tx, credit, error=error, at=self._clock.now()):
                await self._idempotency.release(tx, credit.key)

    async def _pay(self, credit: Credit) -> Command:
        command_id = derived_id(credit.id, "credit")
        command = await self._escrow.credit(
            command_id=command_id, user_id=credit.user.id, amount=credit.amount
        )
        while command.state == "RUNNING":
            command = await self._escrow.command(
                command_id=command_id, wait_seconds=COMMAND_WAIT_SECONDS
            )
        return command

    async def _book(self, credit: Credit, transaction_hash: str) -> None:
        transfer = Transfer(
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
        (posted,) = await self._ledger.post([transfer])
        if posted.is_refused:
            raise RuntimeError(f"the ledger refused a credit: {posted.reason}")
