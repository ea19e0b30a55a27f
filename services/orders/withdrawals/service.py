"""The use cases of withdrawals: create, commit, cancel, read. A person reaches their own only."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chassis import identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.leases import Lease
from kernel.clock import Clock
from kernel.ids import new_id
from kernel.money import USDC
from services.orders.operations.commands import Request
from services.orders.order import parties
from services.orders.order.intake import require_whole_cents
from services.orders.peers.ports import EscrowPort, Memo
from services.orders.people.user_store import UserStore
from services.orders.withdrawals import domain
from services.orders.withdrawals.carrier import Carrier
from services.orders.withdrawals.domain import DestinationInvalid, State, Withdrawal
from services.orders.withdrawals.store import WithdrawalStore


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWithdrawal:
    """What a caller asks for; user: UUID or public id, amount: minor units."""

    user: str
    amount: int
    destination: str
    memo: Memo | None
    reference: str
    commit: bool


class WithdrawalService:
    """Withdrawals of the marketplaces."""

    def __init__(
        self,
        *,
        database: Database,
        store: WithdrawalStore,
        users: UserStore,
        idempotency: Idempotency,
        escrow: EscrowPort,
        carrier: Carrier,
        clock: Clock,
        encode: Callable[[Withdrawal], bytes],
    ) -> None:
        self._database = database
        self._store = store
        self._users = users
        self._idempotency = idempotency
        self._escrow = escrow
        self._carrier = carrier
        self._clock = clock
        self._encode = encode

    async def create(self, request: Request, new: NewWithdrawal) -> Answer:
        """Create a withdrawal, and commit it where that is asked for.

        Raises: UserNotFound; InvalidAmountFormat; InvalidArgument; WalletNotFound;
            DestinationInvalid; InsufficientFunds; Unavailable: the chain cannot be asked.
        """
        require_whole_cents(new.amount)
        domain.require_memo(new.memo)
        key, marketplace_id, asked_at = request.key, request.marketplace_id, time.monotonic()

        async def find() -> Withdrawal | Answer:
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.known(tx, key)) is not None:
                    return known
                user = await self._users.find(tx, marketplace_id=marketplace_id, ref=new.user)
            return Withdrawal(
                id=new_id(),
                marketplace_id=marketplace_id,
                user=user.name,
                asset=USDC,
                amount=new.amount,
                destination=new.destination,
                memo=new.memo,
                reference=new.reference,
                state=State.CREATED,
                created_at=self._clock.now(),
            )

        async def once(made: Withdrawal) -> Withdrawal | Answer:
            nonlocal asked_at
            asked_at = time.monotonic()
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.claim(tx, key)) is not None:
                    return known
                made, fact = domain.created(made)
                if new.commit:
                    made = domain.begin(made, at=made.created_at)
                await self._store.insert(
                    tx, made, fact, key=key, request=identity.current_request_id()
                )
                if new.commit:
                    return made
                body = self._encode(made)
                await self._idempotency.finish(tx, key, body)
                return Answer(body=body)

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
        self, request: Request, *, withdrawal_id: uuid.UUID, user_id: uuid.UUID | None
    ) -> Answer:
        """Hold the amount and pay it out; answers the withdrawal as it is when the wait ends.

        Raises: WithdrawalNotFound; PermissionDenied; WithdrawalNotCommittable; DestinationInvalid;
            InsufficientFunds: it is as it was before; Unavailable: the chain cannot be asked.
        """
        key, marketplace_id, asked_at = request.key, request.marketplace_id, time.monotonic()

        async def look() -> Withdrawal | Answer:
            async with self._database.transaction() as tx:
                if (known := await self._idempotency.known(tx, key)) is not None:
                    return known
                found = await self._store.find(
                    tx, marketplace_id=marketplace_id, withdrawal_id=withdrawal_id
                )
            parties.require_self(str(found.user.id), user_id)
            domain.begin(found, at=self._clock.now())
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
                begun = domain.begin(found, at=self._clock.now())
                epoch = await self._store.begin(
                    tx, begun, key=key, request=identity.current_request_id()
                )
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
        self, key: RequestKey, *, withdrawal_id: uuid.UUID, user_id: uuid.UUID | None
    ) -> Answer:
        """Cancel a withdrawal that is not committed.

        Raises: WithdrawalNotFound; PermissionDenied; WithdrawalInWrongState.
        """

        async def work(tx: Transaction) -> bytes:
            found = await self._store.lock(
                tx, marketplace_id=key.marketplace_id, withdrawal_id=withdrawal_id
            )
            parties.require_self(str(found.user.id), user_id)
            after, fact = domain.canceled(found, at=self._clock.now())
            await self._store.save(tx, after, fact, request=identity.current_request_id())
            return self._encode(after)

        return await self._idempotency.execute(self._database, key, work)

    async def get(
        self, *, marketplace_id: uuid.UUID, withdrawal_id: uuid.UUID, user_id: uuid.UUID | None
    ) -> Withdrawal:
        """Read a withdrawal. Raises: WithdrawalNotFound; PermissionDenied."""
        async with self._database.statement() as connection:
            found = await self._store.find(
                connection, marketplace_id=marketplace_id, withdrawal_id=withdrawal_id
            )
        parties.require_self(str(found.user.id), user_id)
        return found

    async def page(
        self,
        *,
        marketplace_id: uuid.UUID,
        user: str,
        filters: Mapping[str, object],
        after: uuid.UUID | None,
        limit: int,
    ) -> list[Withdrawal]:
        """List withdrawals, newest first. user: UUID or public id, "" for all.

        filters: `state` and `reference`. Raises: UserNotFound.
        """
        chosen = dict(filters)
        async with self._database.transaction() as tx:
            if user:
                found = await self._users.find(tx, marketplace_id=marketplace_id, ref=user)
                chosen["user_id"] = found.id
            return await self._store.page(
                tx, marketplace_id=marketplace_id, filters=chosen, after=after, limit=limit
            )

    async def _require_destination(self, withdrawal: Withdrawal) -> None:
        """Check that a destination can be paid. Raises: DestinationInvalid; WalletNotFound."""
        # Escrow is asked by the service itself: it does not know people.
        own = identity.system(caller="orders", marketplace_id=withdrawal.marketplace_id)
        with identity.acting_as(own):
            flaw = await self._escrow.flaw_of(
                user_id=withdrawal.user.id,
                destination=withdrawal.destination,
                memo=withdrawal.memo,
                amount=withdrawal.amount,
            )
        if flaw is not None:
            details = {"why": flaw.why, "destination": withdrawal.destination}
            raise DestinationInvalid(flaw.message, details=details)
