"""Credits: the platform pays a user's wallet on chain, and the ledger books it once confirmed.

A credit needs no lease: its command and its transfer have ids derived from it, so that two
processes that carry it out at once do the same thing once.
"""

import asyncio
import uuid
from collections.abc import Callable

from chassis import deadline, identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.telemetry import logger
from kernel.clock import Clock
from kernel.errors import FailedPrecondition
from kernel.ids import derived_id, new_id
from kernel.money import CENT, USDC, InvalidAmountFormat
from services.orders.credit_store import (
    Credit,
    by_reference,
    finish,
    insert_or_same,
    running,
)
from services.orders.domain import UserName
from services.orders.marketplaces import marketplace_rules
from services.orders.ports import Command, EscrowPort, LedgerPort, Transfer
from services.orders.user_store import UserStore

COMMAND_WAIT_SECONDS = 20
RESUME_SECONDS = 5.0
RESUME_BATCH = 20
log = logger()


class ManualCreditDisabled(FailedPrecondition):
    """The marketplace does not allow manual credits."""

    reason = "MANUAL_CREDIT_DISABLED"


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
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}

    async def credit(
        self,
        key: RequestKey,
        *,
        user: str,
        amount: int,
        reference: str,
        description: str,
        wait_seconds: float,
    ) -> Answer:
        """Pay a user, once per reference; answers the credit as it is when the wait ends.

        Raises: UserNotFound; ManualCreditDisabled; ReferenceTaken; InvalidAmountFormat.
        """
        if amount <= 0 or amount % CENT:
            message = "must be greater than 0 and in whole cents"
            raise InvalidAmountFormat(f"Amount {message}", fields=[("amount", message)])

        async def work(tx: Transaction) -> bytes:
            name = await self._payee(tx, key.marketplace_id, user)
            credit = Credit(
                id=new_id(),
                marketplace_id=key.marketplace_id,
                user=name,
                amount=amount,
                reference=reference,
                description=description,
                created_at=self._clock.now(),
            )
            return self._encode(await insert_or_same(tx, credit))

        answer = await self._idempotency.execute(self._database, key, work)
        credit = await self._read(key.marketplace_id, reference)
        if credit is not None and credit.state == "RUNNING":
            await asyncio.wait({self._start(credit)}, timeout=wait_seconds)
            credit = await self._read(key.marketplace_id, reference)
        body = self._encode(credit) if credit is not None else answer.body
        return Answer(body=body, replayed=answer.replayed)

    async def _read(self, marketplace_id: uuid.UUID, reference: str) -> Credit | None:
        async with self._database.transaction() as tx:
            return await by_reference(tx, marketplace_id, reference)

    async def resume(self) -> None:
        """Carry out credits that nobody drives, until cancelled."""
        while True:
            async with self._database.transaction() as tx:
                waiting = await running(tx, RESUME_BATCH)
            for credit in waiting:
                self._start(credit)
            await asyncio.sleep(RESUME_SECONDS)

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

    def _start(self, credit: Credit) -> asyncio.Task[None]:
        task = self._tasks.get(credit.id)
        if task is None:
            task = asyncio.create_task(self._drive(credit))
            self._tasks[credit.id] = task
            task.add_done_callback(lambda _done: self._tasks.pop(credit.id, None))
        return task

    async def _drive(self, credit: Credit) -> None:
        identity.bind(identity.system(caller="orders", marketplace_id=credit.marketplace_id))
        deadline.start(None)
        try:
            command = await self._pay(credit)
            if command.state != "SUCCEEDED":
                log.error("credit.stuck", credit_id=str(credit.id), reason=command.error_reason)
                return
            transaction_hash = command.payments[0].transaction_hash
            await self._book(credit, transaction_hash)
        except Exception as error:  # noqa: BLE001 - tried again by `resume`
            log.warning("credit.waits", credit_id=str(credit.id), error=type(error).__name__)
            return
        async with self._database.transaction() as tx:
            await finish(tx, credit, transaction_hash=transaction_hash, at=self._clock.now())

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
