"""The use cases of wallets: create one, pay into one, pay out of one."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from chassis.database import Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.waiting import Bell, Ends
from kernel.clock import Clock
from kernel.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, Unavailable
from kernel.ids import new_id
from kernel.money import USDC, Money, to_text
from services.escrow.commands.acceptance import Acceptance, Request
from services.escrow.commands.store import CommandStore, Name
from services.escrow.contracts.intents import Memo
from services.escrow.contracts.plan import plan_credit, plan_wallet, plan_withdrawal
from services.escrow.domain import (
    CommandKind,
    Wallet,
    WalletState,
)
from services.escrow.ports import Chain
from services.escrow.wallets.keyring import Keyring
from services.escrow.wallets.store import WalletStore
from services.escrow.wallets.vault import Sealed
from services.escrow.wallets.waking import Waking, creation_id


class InvalidWalletAmount(InvalidArgument):
    """An amount to pay is not positive, or in another asset than the network's."""


class PlatformTooPoor(FailedPrecondition):
    """The platform's wallet has less than it is to pay."""

    reason = "INSUFFICIENT_FUNDS"


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletService:
    """Creates wallets, pays into and out of them. encode: makes the bytes of the stored answer."""

    acceptance: Acceptance
    store: CommandStore
    wallets: WalletStore
    chain: Chain
    idempotency: Idempotency
    waking: Waking
    keyring: Keyring
    ends: Ends[Name]
    bell: Bell
    clock: Clock
    encode: Callable[[Wallet], bytes]

    async def create(
        self, *, key: RequestKey, user_id: uuid.UUID, user_public_id: str, wait_seconds: int
    ) -> Answer:
        """Create a user's wallet, or find the existing one, and wait for its account on chain.

        Raises: IdempotencyKeyReused: same key, different request.
        """
        database, marketplace_id = self.acceptance.database, key.marketplace_id
        drafted = await self._draft(marketplace_id, user_id, user_public_id)

        async def accept(tx: Transaction) -> bytes:
            is_new = drafted is not None and await self.wallets.add_wallet(
                tx, wallet=drafted[0], sealed=drafted[1]
            )
            return (await self._set_in_motion(tx, key, user_id, is_new=is_new)).bytes

        async def answer(tx: Transaction) -> bytes:
            found = await self.wallets.wallet_of_user(
                tx, marketplace_id=marketplace_id, user_id=user_id
            )
            return self.encode(found)

        # The answer describes the account after the wait, so it is stored after the wait. The
        # transaction that creates the wallet, before the wait, stores that the key belongs to this
        # user.
        first = replace(key, key=f"{key.key}#accepted")
        accepted = await self.idempotency.execute(database, first, accept)
        self.bell.ring()
        command_id = uuid.UUID(bytes=accepted.body)
        await self.ends.for_end((marketplace_id, command_id), seconds=wait_seconds)
        return await self.idempotency.execute(database, key, answer)

    async def credit(self, request: Request, *, user_id: uuid.UUID, amount: Money) -> Answer:
        """Start a payment from the platform's wallet.

        Raises: WalletNotFound; InvalidWalletAmount; PlatformTooPoor; IdempotencyKeyReused.
        """
        _require_payable(amount)

        platform = (await self.keyring.platform()).address
        try:
            held = (await self.chain.asset_balances([platform]))[platform]
        except (Unavailable, DeadlineExceeded):
            # The chain cannot be asked now, so the worker waits for the money.
            held = None

        async def work(tx: Transaction) -> Answer:
            wallet = await self.wallets.wallet_of_user(
                tx, marketplace_id=request.marketplace_id, user_id=user_id
            )
            if held is not None and held < amount.minor_units:
                raise PlatformTooPoor(
                    "The platform's wallet has less than the amount",
                    details={
                        "available": to_text(held),
                        "requested": to_text(amount.minor_units),
                        "currency": USDC,
                    },
                )
            planned = plan_credit(minor_units=amount.minor_units)
            return await self.acceptance.add(
                tx, request, planned=planned, wallet_id=wallet.id, begins_here=True
            )

        return await self.acceptance.accept(request, work)

    async def withdraw(
        self,
        request: Request,
        *,
        user_id: uuid.UUID | None,
        amount: Money,
        address: str,
        memo: Memo | None,
    ) -> Answer:
        """Start a payment from a user's wallet, or the platform's (None), to an address outside.

        The worker checks the address. A refusal here would not prove that nothing is paid, because
        the same request may have been accepted a moment later.
        Raises: WalletNotFound; InvalidWalletAmount; IdempotencyKeyReused.
        """
        _require_payable(amount)

        async def work(tx: Transaction) -> Answer:
            wallet_id = None
            if user_id is not None:
                wallet = await self.wallets.wallet_of_user(
                    tx, marketplace_id=request.marketplace_id, user_id=user_id
                )
                wallet_id = wallet.id
            planned = plan_withdrawal(minor_units=amount.minor_units, address=address, memo=memo)
            return await self.acceptance.add(
                tx, request, planned=planned, wallet_id=wallet_id, begins_here=True
            )

        return await self.acceptance.accept(request, work)

    async def _draft(
        self, marketplace_id: uuid.UUID, user_id: uuid.UUID, user_public_id: str
    ) -> tuple[Wallet, Sealed] | None:
        """Make a wallet with its key, not stored yet; None: the user has a wallet already."""
        async with self.acceptance.database.statement() as connection:
            if await self.wallets.find_wallet(
                connection, marketplace_id=marketplace_id, user_id=user_id
            ):
                return None
        wallet_id = new_id()
        # Sealing may call a key service, so it is done outside the transaction.
        address, sealed = await self.keyring.new_wallet(
            marketplace_id=marketplace_id, wallet_id=wallet_id
        )
        wallet = Wallet(
            id=wallet_id,
            marketplace_id=marketplace_id,
            user_id=user_id,
            user_public_id=user_public_id,
            address=address,
            state=WalletState.CREATING,
            created_at=self.clock.now(),
        )
        return wallet, sealed

    async def _set_in_motion(
        self, tx: Transaction, key: RequestKey, user_id: uuid.UUID, *, is_new: bool
    ) -> uuid.UUID:
        """Return the command that creates the wallet's account; add one if the last one failed."""
        wallet = await self.wallets.lock_wallet(
            tx, marketplace_id=key.marketplace_id, user_id=user_id
        )
        wallet = await self.waking.rouse(tx, wallet)
        tries = await self.store.count_wallet_commands(tx, wallet=wallet)
        if not is_new and wallet.state is not WalletState.FAILED:
            return creation_id(wallet, tries)
        request = Request(
            key=key, command_id=creation_id(wallet, tries + 1), kind=CommandKind.CREATE_WALLET
        )
        await self.acceptance.add(tx, request, planned=plan_wallet(), wallet_id=wallet.id)
        await self.wallets.set_wallet_state(tx, wallet=wallet, state=WalletState.CREATING)
        return request.command_id


def _require_payable(amount: Money) -> None:
    if amount.asset != USDC or amount.minor_units <= 0:
        raise InvalidWalletAmount(
            "Invalid field: amount", fields=[("amount", f"must be positive and in {USDC}")]
        )
