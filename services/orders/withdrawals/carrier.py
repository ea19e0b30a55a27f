"""Carry out committed withdrawals: hold the amount, let escrow pay it, and book the result.

This is leased work (chassis/leases.py). The ids of transfers and command are derived from the
withdrawal's id, so processes that carry it out at the same time hold and pay it once. A call that
a process sends after losing its lease changes nothing: each step depends only on stored state and
on final results.
"""

import asyncio
import uuid
from collections.abc import Callable, Collection

from chassis import deadline, identity
from chassis.audit import Asked, Trail
from chassis.database import Database
from chassis.idempotency import STORED_KINDS, Answer, Idempotency
from chassis.leases import Lease, LeaseLost, Leases
from chassis.telemetry import logger
from chassis.waiting import Ends
from kernel.clock import Clock
from kernel.errors import DomainError
from kernel.ids import derived_id
from kernel.money import to_text
from services.orders.operations.commands import Request
from services.orders.operations.postings import InsufficientFunds
from services.orders.peers.ports import Command, EscrowPort, LedgerPort, Posted, Transfer
from services.orders.withdrawals import domain, lines, postings
from services.orders.withdrawals.domain import State, Withdrawal
from services.orders.withdrawals.store import LEASE_SECONDS, LEASES, WithdrawalStore

COMMAND_WAIT_SECONDS = 20
WITHDRAWALS_MAX = 1000
log = logger()


class WithdrawalStuck(Exception):
    """The withdrawal's command is quarantined; an operator must act."""


class Carrier:
    """Carries out withdrawals: those begun here, and those taken over from dead processes."""

    def __init__(
        self,
        *,
        database: Database,
        store: WithdrawalStore,
        idempotency: Idempotency,
        ledger: LedgerPort,
        escrow: EscrowPort,
        clock: Clock,
        encode: Callable[[Withdrawal], bytes],
    ) -> None:
        self._database = database
        self._store = store
        self._idempotency = idempotency
        self._ledger = ledger
        self._escrow = escrow
        self._clock = clock
        self._encode = encode
        self._leases = Leases(
            database=database,
            table=LEASES,
            seconds=LEASE_SECONDS,
            most=WITHDRAWALS_MAX,
            carry_out=self._carry_out,
            troubled=self._troubled,
        )
        self._ends: Ends[uuid.UUID] = Ends(self._ended_among)
        self._tasks: set[asyncio.Task[None]] = set()

    async def carried(self, lease: Lease, request: Request, *, asked_at: float) -> Answer:
        """Carry out a withdrawal, and return it as it is when the wait ends.

        Raises: the refusal that its commit ended with.
        """
        with self._ends.registered(lease.id) as ended:
            task = self._leases.begin(lease, asked_at=asked_at)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await self._ends.for_ring(ended, seconds=request.wait_seconds)
        async with self._database.transaction() as tx:
            found = await self._store.find(
                tx, marketplace_id=lease.marketplace_id, withdrawal_id=lease.id
            )
            if found.in_progress:
                return Answer(body=self._encode(found))
            try:
                known = await self._idempotency.known(tx, request.key)
            except STORED_KINDS as refusal:
                refusal.replayed = False
                raise
        return Answer(body=self._encode(found) if known is None else known.body)

    async def run(self) -> None:
        """Take over withdrawals of dead processes, and renew leases, until cancelled."""
        await self._leases.run()

    async def watch(self) -> None:
        """Poll for withdrawals that other processes end, while a caller waits; until cancelled."""
        await self._ends.watch()

    async def stop_waiting(self) -> None:
        """Answer all waiting callers with the withdrawal as it is: the process is about to stop."""
        await self._ends.stop()

    async def close(self) -> None:
        """Stop the withdrawals of this process. Another process takes them over."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ended_among(self, withdrawal_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
        async with self._database.statement() as connection:
            return await self._store.ended_among(connection, withdrawal_ids)

    async def hold(self, lease: Lease) -> None:
        """Check that a lease is held, right before a call to a peer. Raises: LeaseLost."""
        await self._leases.hold(lease)

    async def _carry_out(self, lease: Lease) -> None:
        identity.bind(identity.system(caller="orders", marketplace_id=lease.marketplace_id))
        deadline.start(None)
        await self.carry_out(lease)

    async def carry_out(self, lease: Lease) -> None:
        """Hold the amount, pay it, book it. Raises: LeaseLost; WithdrawalStuck; a peer's error."""
        async with self._database.transaction() as tx:
            found, _, _ = await self._store.under(tx, lease)

        if found.state is not State.PENDING:
            held = None if found.is_turned_down else await self._held(found, lease)
            if held is None:
                await self._give_up(found, lease)
                return
            found = held
        command = await self._paid(found, lease)
        if command.state == "SUCCEEDED":
            await self._complete(found, lease, command.payments[0].transaction_hash)
        elif command.state == "FAILED":
            await self._fail(found, lease, command)
        else:
            log.error("withdrawal.stuck", withdrawal_id=str(found.id), why=command.error_reason)
            raise WithdrawalStuck

    async def _held(self, withdrawal: Withdrawal, lease: Lease) -> Withdrawal | None:
        """Hold the amount; None: it is not available, and the refusal is stored.

        Raises: LeaseLost.
        """
        posted = await self._post(lease, postings.hold(withdrawal))
        if posted.is_refused and posted.reason == "ACCOUNT_NOT_FOUND":
            await self._ledger.open_account(user=withdrawal.user, asset=withdrawal.asset)
            posted = await self._post(lease, postings.hold(withdrawal))
        if posted.is_refused and posted.reason != "INSUFFICIENT_FUNDS":
            raise RuntimeError(f"the ledger refused a withdrawal's hold: {posted.reason}")
        async with self._database.transaction() as tx:
            known, key, request = await self._store.under(tx, lease)
            if posted.is_refused:
                await self._store.note(tx, domain.turned_down(known))
                await self._idempotency.refuse(tx, key, _insufficient(known, posted))
                await Trail().record(
                    tx,
                    lines.commit_failed(known, posted.reason),
                    marketplace_id=known.marketplace_id,
                    asked=Asked(principal=known.committed_by, request_id=request),
                )
                return None
            after, fact = domain.held(known)
            await self._store.save(tx, after, fact, request=request)
            return after

    async def _give_up(self, withdrawal: Withdrawal, lease: Lease) -> None:
        """End a commit that was turned down, after leaving a tombstone for its hold.

        Without the tombstone, a paused process could still make the hold once the money is there.

        Raises: LeaseLost.
        """
        posted = await self._post(lease, postings.void(withdrawal))
        if posted.is_refused:
            raise RuntimeError(f"the ledger refused to bar a hold: {posted.reason}")
        async with self._database.transaction() as tx:
            known, _, _ = await self._store.under(tx, lease)
            await self._store.note(tx, domain.given_up(known))
        self._ends.ended(withdrawal.id)

    async def _paid(self, withdrawal: Withdrawal, lease: Lease) -> Command:
        """Let escrow pay the amount; return the command when it has ended. Raises: LeaseLost."""
        await self.hold(lease)
        command_id = derived_id(withdrawal.id, "pay")
        command = await self._escrow.withdraw(
            command_id=command_id,
            user_id=withdrawal.payer,
            destination=withdrawal.destination,
            memo=withdrawal.memo,
            amount=withdrawal.amount,
        )
        while command.state == "RUNNING":
            command = await self._escrow.command(
                command_id=command_id, wait_seconds=COMMAND_WAIT_SECONDS
            )
        return command

    async def _complete(self, withdrawal: Withdrawal, lease: Lease, transaction_hash: str) -> None:
        """Book the payment and complete the withdrawal. Raises: LeaseLost."""
        posted = await self._post(
            lease, postings.post(withdrawal, transaction_hash=transaction_hash)
        )
        if posted.is_refused:
            raise RuntimeError(f"the ledger refused a withdrawal: {posted.reason}")
        at = self._clock.now()
        await self._end(
            lease, lambda known: domain.completed(known, transaction_hash=transaction_hash, at=at)
        )

    async def _fail(self, withdrawal: Withdrawal, lease: Lease, command: Command) -> None:
        """Void the hold of a payment that can never land, and fail the withdrawal.

        Raises: LeaseLost.
        """
        log.error("withdrawal.failed", withdrawal_id=str(withdrawal.id), error=command.error_reason)
        posted = await self._post(lease, postings.void(withdrawal))
        if posted.is_refused:
            raise RuntimeError(f"the ledger refused to void a hold: {posted.reason}")
        reason, message, at = command.error_reason, command.error_message, self._clock.now()
        await self._end(
            lease, lambda known: domain.failed(known, reason=reason, message=message, at=at)
        )

    async def _end(self, lease: Lease, decide: Callable[[Withdrawal], domain.Decided]) -> None:
        """End a withdrawal, and store it as the answer of its request. Raises: LeaseLost."""
        async with self._database.transaction() as tx:
            known, key, request = await self._store.under(tx, lease)
            after, fact = decide(known)
            await self._store.save(tx, after, fact, request=request)
            await self._idempotency.finish(tx, key, self._encode(after))
        self._ends.ended(lease.id)

    async def _post(self, lease: Lease, transfer: Transfer) -> Posted:
        await self.hold(lease)
        (posted,) = await self._ledger.post([transfer])
        return posted

    async def _troubled(self, lease: Lease, error: Exception, waited: float) -> bool:
        """Return whether the lease is lost."""
        reason = error.reason if isinstance(error, DomainError) else type(error).__name__
        log.warning(
            "withdrawal.waits", withdrawal_id=str(lease.id), error=reason, seconds=int(waited)
        )
        try:
            async with self._database.transaction() as tx:
                await LEASES.fence(tx, lease)
        except LeaseLost:
            log.warning("withdrawal.lease_lost", withdrawal_id=str(lease.id))
            return True
        except Exception as unknown:  # noqa: BLE001 - the next try finds out
            log.warning("withdrawal.lease_unknown", error=type(unknown).__name__)
        return False


def _insufficient(withdrawal: Withdrawal, posted: Posted) -> InsufficientFunds:
    return InsufficientFunds(
        "The fees that can be withdrawn are less than the withdrawal's amount"
        if withdrawal.is_platforms
        else "The user's available balance is less than the withdrawal's amount",
        details={
            "withdrawalId": withdrawal.public_id,
            "available": to_text(posted.available),
            "requested": to_text(withdrawal.amount),
            "currency": withdrawal.asset,
        },
    )
