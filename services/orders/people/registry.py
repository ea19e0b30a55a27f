"""The use cases of users: register, look up, and provision account and wallet."""

import asyncio
import uuid
from collections.abc import Callable

from chassis import identity
from chassis.audit import Change, Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.outbox import Outbox
from chassis.telemetry import logger
from chassis.waiting import Bell
from kernel.clock import Clock
from kernel.errors import DomainError
from kernel.ids import new_id
from kernel.money import USDC
from services.orders.peers.ports import EscrowPort, LedgerPort
from services.orders.people.user_store import Place, UserStore
from services.orders.people.users import User, UserIdTaken, UserType, chosen_public_id

# The pause of the provisioning loop: while a user lacks something, and otherwise. The seldom pass
# finds users that a dead process has left.
AGAIN_SECONDS, SELDOM_SECONDS = 2.0, 15.0
log = logger()


class UserRegistry:
    """The use cases, and the background loop that provisions users."""

    def __init__(
        self,
        *,
        database: Database,
        outbox: Outbox,
        idempotency: Idempotency,
        ledger: LedgerPort,
        escrow: EscrowPort,
        clock: Clock,
        encode: Callable[[User], bytes],
        wallet_wait_seconds: int,
    ) -> None:
        """Take the parts. wallet_wait_seconds: how long a registration waits for the chain."""
        self._database = database
        self._users = UserStore(outbox)
        self._idempotency = idempotency
        self._trail = Trail()
        self._ledger = ledger
        self._escrow = escrow
        self._clock = clock
        self._encode = encode
        self._wallet_wait_seconds = wallet_wait_seconds
        # The last user that the loop tried; None: the loop begins with the oldest.
        self._passed: Place | None = None
        # Rung when a user lacks an account or a wallet.
        self._is_missing = Bell()

    async def register(
        self,
        key: RequestKey,
        *,
        external_user_id: str,
        public_id: str,
        email: str,
        user_type: UserType,
        user_id: uuid.UUID | None,
    ) -> Answer:
        """Register a user and make account and wallet, or return the user registered before.

        If the ledger or escrow is unavailable, the user is registered, and account and wallet
        are made later. Raises: UserIdTaken; InvalidArgument.
        """
        registered: list[User] = []

        async def work(tx: Transaction) -> bytes:
            known = await self._users.find_external(
                tx, marketplace_id=key.marketplace_id, external_user_id=external_user_id
            )
            own_id = known.id if known is not None else user_id or new_id()
            chosen = chosen_public_id(public_id, user_id=own_id)
            user = known or await self._insert_or_find(
                tx,
                User(
                    id=own_id,
                    marketplace_id=key.marketplace_id,
                    public_id=chosen,
                    external_user_id=external_user_id,
                    email=email,
                    type=user_type,
                    created_at=self._clock.now(),
                ),
            )
            registered[:] = [user]
            return self._encode(user)

        answer = await self._idempotency.execute(self._database, key, work)
        if registered and not registered[0].is_provisioned:
            await self._try_to_provision(registered[0], wait_seconds=self._wallet_wait_seconds)
        return answer

    async def _insert_or_find(self, tx: Transaction, new: User) -> User:
        """Insert a user, or return the same user registered just now. Raises: UserIdTaken."""
        try:
            async with tx.transaction():
                await self._users.insert(tx, new, request_id=identity.current_request_id())
                await self._trail.record(tx, _registered(new), marketplace_id=new.marketplace_id)
        except UserIdTaken:
            # Another request may have registered the same user a moment ago.
            known = await self._users.find_external(
                tx, marketplace_id=new.marketplace_id, external_user_id=new.external_user_id
            )
            if known is None:
                raise
            return known
        return new

    async def provision(self, user: User, *, wait_seconds: int) -> None:
        """Open a user's account and make the wallet, unless they exist. Raises: Unavailable."""
        # On behalf of the service: ledger and escrow do not serve people.
        system = identity.system(caller="orders", marketplace_id=user.marketplace_id)
        with identity.acting_as(system):
            await self._ledger.open_account(user=user.name, asset=USDC)
            address = await self._escrow.create_wallet(user=user.name, wait_seconds=wait_seconds)
        async with self._database.transaction() as tx:
            await self._users.provisioned(
                tx, user=user, wallet_address=address, at=self._clock.now()
            )

    async def keep_provisioned(self) -> None:
        """Provision users who lack an account or a wallet, until cancelled."""
        while True:
            self._is_missing.silence()
            if await self.provision_waiting():
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                await self._is_missing.wait(seconds=SELDOM_SECONDS)

    async def provision_waiting(self, *, limit: int = 50) -> int:
        """Provision the next users whose account or wallet is missing; return their number.

        A user who cannot be provisioned is skipped until the next round over all users.
        """
        async with self._database.statement() as connection:
            users = await self._users.unprovisioned(connection, after=self._passed, limit=limit)
        self._passed = (users[-1].created_at, users[-1].id) if len(users) == limit else None
        for user in users:
            await self._try_to_provision(user, wait_seconds=0)
        return len(users)

    async def _try_to_provision(self, user: User, *, wait_seconds: int) -> None:
        try:
            await self.provision(user, wait_seconds=wait_seconds)
        except DomainError as error:
            # The user stays registered; the background loop makes what is missing.
            self._is_missing.ring()
            log.warning("user.not_provisioned_yet", user_id=str(user.id), error=error.reason)

    async def get(self, *, marketplace_id: uuid.UUID, ref: str) -> User:
        """Find a user by public id or UUID. Raises: UserNotFound."""
        async with self._database.transaction() as tx:
            return await self._users.find(tx, marketplace_id=marketplace_id, ref=ref)

    async def page(
        self,
        *,
        marketplace_id: uuid.UUID,
        external_user_id: str,
        email: str,
        after: uuid.UUID | None,
        limit: int,
    ) -> list[User]:
        """List users, newest first, filtered by the marketplace's own id and by mail address."""
        async with self._database.transaction() as tx:
            return await self._users.page(
                tx,
                marketplace_id=marketplace_id,
                external_user_id=external_user_id,
                email=email,
                after=after,
                limit=limit,
            )


def _registered(user: User) -> Change:
    return Change(
        action="user.register",
        target_type="user",
        target_id=user.public_id,
        after={"type": user.type.value},
    )
