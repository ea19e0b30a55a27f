"""The use cases of withdrawals: create, commit, approve, cancel, read.

A person can use only their own withdrawals. A commit is checked against the marketplace's rules
under a lock of the user's row, so that two commits cannot both use the rest of the daily limit.
"""

import datetime as dt
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chassis import identity
from chassis.audit import Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.leases import Lease
from kernel.clock import Clock
from kernel.ids import new_id
from kernel.money import USDC
from services.orders.operations.commands import Request
from services.orders.order import parties
from services.orders.order.domain import UserName
from services.orders.order.intake import require_whole_cents
from services.orders.order.marketplace_rules import marketplace_rules
from services.orders.order.withdrawal_rules import WithdrawalRules
from services.orders.peers.ports import EscrowPort, Memo
from services.orders.people.user_store import UserStore
from services.orders.withdrawals import domain, lines, rules
from services.orders.withdrawals.carrier import Carrier
from services.orders.withdrawals.domain import PLATFORM, DestinationInvalid, State, Withdrawal
from services.orders.withdrawals.store import WithdrawalStore

# The most unapproved withdrawals that are canceled in one transaction.
BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWithdrawal:
    """The content of a request for a withdrawal. amount: minor units.

    user: UUID or public id; None: the platform, whose fees are paid out.
    """

    user: str | None
    amount: int
    destination: str
    memo: Memo | None
    reference: str
    commit: bool


class WithdrawalService:
    """The use cases of withdrawals."""

    def __init__(
        self,
        *,
        database: Database,
        store: WithdrawalStore,
        users: UserStore,
        idempotency: Idempotency,
        trail: Trail,
        escrow: EscrowPort,
        carrier: Carrier,
        clock: Clock,
        encode: Callable[[Withdrawal], bytes],
    ) -> None:
        self._database = database
        self._store = store
        self._users = users
        self._idempotency = idempotency
        self._trail = trail
        self._escrow = escrow
        self._carrier = carrier
        self._clock = clock
        self._encode = encode

    async def create(self, request: Request, new: NewWithdrawal) -> Answer:
        """Create a withdrawal, and commit it if the request says so.

        Raises: UserNotFound; InvalidAmountFormat; InvalidArgument; WalletNotFound;
            DestinationInvalid; InsufficientFunds; Unavailable: the chain cannot be asked; a
            rule's refusal (rules.py).
        """
        require_whole_cents(new.amount)
        domain.require_memo(new.memo)
        key, marketplace_id, asked_at = request.key, request.marketplace_id, time.monotonic()

        async def find() -> Withdrawal | Answer:
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.known(tx, key)) is not None:
                    return known
                owner = await self._owner(tx, marketplace_id, new.user)
            by = identity.current().principal
            return _drafted(new, marketplace_id, owner, by=by, at=self._clock.now())

        async def once(made: Withdrawal) -> Withdrawal | Answer:
            nonlocal asked_at
            asked_at = time.monotonic()
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.claim(tx, key)) is not None:
                    return known
                made, fact = domain.created(made)
                chosen = (await marketplace_rules(tx, marketplace_id)).withdrawals
                rules.require_allowed(chosen, made)
                ends_at = await self._approval_ends(tx, chosen, made) if new.commit else None
                request_id, by, at = identity.current_request_id(), made.created_by, made.created_at
                if new.commit and ends_at is None:
                    made = domain.begin(made, by=by, at=at)
                await self._store.insert(tx, made, fact, key=key, request=request_id)
                if ends_at is not None:
                    made, fact = domain.submitted(made, by=by, at=at, ends_at=ends_at)
                    await self._store.submit(tx, made, fact, request=request_id)
                change = lines.change("create", before=None, after=made)
                await self._trail.record(tx, change, marketplace_id=marketplace_id)
                if made.in_progress:
                    return made
                return await self._answered(tx, key, made)

        async with self._idempotency.keeping_refusals(self._database, key):
            found = await self._database.retrying(find)
            if isinstance(found, Answer):
                return found
            await self._require_destination(found)
            begun = await self._database.retrying(lambda: once(found))
        if isinstance(begun, Answer):
            return begun
        lease = Lease(marketplace_id=marketplace_id, id=begun.id, epoch=1)
        return await self._carrier.carried(lease, request, asked_at=asked_at)

    async def commit(
        self,
        request: Request,
        *,
        withdrawal_id: uuid.UUID,
        user_id: uuid.UUID | None,
        by_platform: bool = False,
    ) -> Answer:
        """Hold the amount and pay it out; return the withdrawal as it is when the wait ends.

        A withdrawal that a second key must approve waits for the approval and holds nothing.

        Raises: WithdrawalNotFound; PermissionDenied; WithdrawalNotCommittable; DestinationInvalid;
            InsufficientFunds: the commit is undone; Unavailable: the chain cannot be asked; a
            rule's refusal (rules.py).
        """

        def begin(found: Withdrawal, _: WithdrawalRules) -> Withdrawal:
            domain.require_platforms(found, by_platform=by_platform)
            parties.require_self(str(found.user.id), user_id)
            return domain.begin(found, by=identity.current().principal, at=self._clock.now())

        return await self._carried(request, withdrawal_id=withdrawal_id, verb="commit", begin=begin)

    async def approve(
        self, request: Request, *, withdrawal_id: uuid.UUID, by_platform: bool = False
    ) -> Answer:
        """Approve a withdrawal that waits for a second key, and pay it; return as `commit` does.

        Raises: WithdrawalNotFound; WithdrawalNotApprovable; ApproverIsCommitter; also as `commit`:
            the withdrawal then continues to wait.
        """

        def begin(found: Withdrawal, chosen: WithdrawalRules) -> Withdrawal:
            domain.require_platforms(found, by_platform=by_platform)
            by = identity.current().principal
            return domain.approve(found, by=by, above=chosen.approval_above)

        return await self._carried(
            request, withdrawal_id=withdrawal_id, verb="approve", begin=begin
        )

    async def _carried(
        self,
        request: Request,
        *,
        withdrawal_id: uuid.UUID,
        verb: str,
        begin: Callable[[Withdrawal, WithdrawalRules], Withdrawal],
    ) -> Answer:
        """Carry out a withdrawal. begin: commits or approves it, or raises a refusal."""
        key, marketplace_id, asked_at = request.key, request.marketplace_id, time.monotonic()

        async def look() -> Withdrawal | Answer:
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.known(tx, key)) is not None:
                    return known
                found = await self._store.find(
                    tx, marketplace_id=marketplace_id, withdrawal_id=withdrawal_id
                )
                chosen = (await marketplace_rules(tx, marketplace_id)).withdrawals
            begin(found, chosen)
            return found

        async def once() -> Lease | Answer:
            nonlocal asked_at
            asked_at = time.monotonic()
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.claim(tx, key)) is not None:
                    return known
                found = await self._store.lock(
                    tx, marketplace_id=marketplace_id, withdrawal_id=withdrawal_id
                )
                chosen = (await marketplace_rules(tx, marketplace_id)).withdrawals
                begun, request_id = begin(found, chosen), identity.current_request_id()
                ends_at = await self._approval_ends(tx, chosen, found)
                if ends_at is not None and found.state is State.CREATED:
                    by, at = begun.committed_by, self._clock.now()
                    after, fact = domain.submitted(found, by=by, at=at, ends_at=ends_at)
                    await self._store.submit(tx, after, fact, request=request_id)
                    await self._note(tx, verb, found, after)
                    return await self._answered(tx, key, after)
                await self._note(tx, verb, found, begun)
                epoch = await self._store.begin(tx, begun, key=key, request=request_id)
                return Lease(marketplace_id=marketplace_id, id=withdrawal_id, epoch=epoch)

        async with self._idempotency.keeping_refusals(self._database, key):
            found = await self._database.retrying(look)
            if isinstance(found, Answer):
                return found
            await self._require_destination(found)
            begun = await self._database.retrying(once)
        if isinstance(begun, Answer):
            return begun
        return await self._carrier.carried(begun, request, asked_at=asked_at)

    async def cancel(
        self,
        key: RequestKey,
        *,
        withdrawal_id: uuid.UUID,
        user_id: uuid.UUID | None,
        by_platform: bool = False,
    ) -> Answer:
        """Cancel a withdrawal that has no hold.

        Raises: WithdrawalNotFound; PermissionDenied; WithdrawalInWrongState.
        """

        async def work(tx: Transaction) -> bytes:
            found = await self._store.lock(
                tx, marketplace_id=key.marketplace_id, withdrawal_id=withdrawal_id
            )
            domain.require_platforms(found, by_platform=by_platform)
            parties.require_self(str(found.user.id), user_id)
            after, fact = domain.canceled(found, at=self._clock.now())
            await self._store.save(tx, after, fact, request=identity.current_request_id())
            await self._note(tx, "cancel", found, after)
            return self._encode(after)

        return await self._idempotency.execute(self._database, key, work)

    async def get(
        self,
        *,
        marketplace_id: uuid.UUID,
        withdrawal_id: uuid.UUID,
        user_id: uuid.UUID | None,
        by_platform: bool = False,
    ) -> Withdrawal:
        """Read a withdrawal. Raises: WithdrawalNotFound; PermissionDenied."""
        async with self._database.statement() as connection:
            found = await self._store.find(
                connection, marketplace_id=marketplace_id, withdrawal_id=withdrawal_id
            )
        domain.require_platforms(found, by_platform=by_platform)
        parties.require_self(str(found.user.id), user_id)
        return found

    async def page(
        self,
        *,
        marketplace_id: uuid.UUID,
        user: str | None,
        filters: Mapping[str, object],
        after: uuid.UUID | None,
        limit: int,
    ) -> list[Withdrawal]:
        """List withdrawals, newest first.

        user: UUID or public id; "": all users; None: the platform. filters: `state` and
        `reference`. Raises: UserNotFound.
        """
        chosen = dict(filters)
        async with self._database.transaction() as tx:
            if user is None:
                chosen["user_id"] = PLATFORM.id
            elif user:
                found = await self._users.find(tx, marketplace_id=marketplace_id, ref=user)
                chosen["user_id"] = found.id
            return await self._store.page(
                tx, marketplace_id=marketplace_id, filters=chosen, after=after, limit=limit
            )

    async def lapse_unapproved(self) -> int:
        """Cancel withdrawals that no key approved in time, by their marketplace's clock.

        Returns how many were canceled.
        """
        async with self._database.transaction() as tx:
            unapproved = await self._store.lock_unapproved(tx, limit=BATCH)
            for withdrawal in unapproved:
                after, fact = domain.lapsed(withdrawal, at=self._clock.now())
                await self._store.save(tx, after, fact, request="")
                await self._note(tx, "lapse", withdrawal, after)
        return len(unapproved)

    async def _note(
        self, tx: Transaction, verb: str, before: Withdrawal, after: Withdrawal
    ) -> None:
        change = lines.change(verb, before=before, after=after)
        await self._trail.record(tx, change, marketplace_id=after.marketplace_id)

    async def _answered(self, tx: Transaction, key: RequestKey, withdrawal: Withdrawal) -> Answer:
        """Store a withdrawal as the answer of a request."""
        body = self._encode(withdrawal)
        await self._idempotency.finish(tx, key, body)
        return Answer(body=body)

    async def _approval_ends(
        self, tx: Transaction, chosen: WithdrawalRules, withdrawal: Withdrawal
    ) -> dt.datetime | None:
        """Check a withdrawal that is about to be paid against the rules; lock its user's row.

        Returns until when a second key must approve it; None: no approval is needed.

        Raises: WithdrawalNotApprovable: it was not approved in time; the rules' refusals.
        """
        history = await self._store.history(tx, withdrawal)
        domain.require_in_time(withdrawal, at=history.at)
        rules.require_payable(chosen, withdrawal, history)
        if not rules.needs_approval(chosen, withdrawal):
            return None
        return history.at + dt.timedelta(hours=chosen.approval_hours)

    async def _owner(
        self, tx: Transaction, marketplace_id: uuid.UUID, user: str | None
    ) -> UserName:
        """Find the owner of the money; None: the platform. Raises: UserNotFound."""
        if user is None:
            return PLATFORM
        return (await self._users.find(tx, marketplace_id=marketplace_id, ref=user)).name

    async def _require_destination(self, withdrawal: Withdrawal) -> None:
        """Check that a destination can be paid. Raises: DestinationInvalid; WalletNotFound."""
        # The call is made on behalf of the service, because escrow does not serve people.
        own = identity.system(caller="orders", marketplace_id=withdrawal.marketplace_id)
        with identity.acting_as(own):
            flaw = await self._escrow.flaw_of(
                user_id=withdrawal.payer,
                destination=withdrawal.destination,
                memo=withdrawal.memo,
                amount=withdrawal.amount,
            )
        if flaw is not None:
            details = {"why": flaw.why, "destination": withdrawal.destination}
            raise DestinationInvalid(flaw.message, details=details)


def _drafted(
    new: NewWithdrawal, marketplace_id: uuid.UUID, owner: UserName, *, by: str, at: dt.datetime
) -> Withdrawal:
    return Withdrawal(
        id=new_id(),
        marketplace_id=marketplace_id,
        user=owner,
        asset=USDC,
        amount=new.amount,
        destination=new.destination,
        memo=new.memo,
        reference=new.reference,
        state=State.CREATED,
        created_at=at,
        created_by=by,
    )
