"""Redirections: a marketplace pays a party of an order at another address, if its rule allows it.

The rules for withdrawals apply to the address and to the order's amount, as if the party withdrew
the amount. Escrow checks the address on chain, decides, and stores who decided.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from chassis import identity
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency
from kernel.errors import FailedPrecondition, PermissionDenied
from kernel.ids import derived_id, new_id
from services.orders.operations.commands import Request
from services.orders.order.domain import Order, Party
from services.orders.order.marketplace_rules import PayoutRedirects, marketplace_rules
from services.orders.order.store import OrderStore
from services.orders.order.withdrawal_rules import WithdrawalRules
from services.orders.peers.redirecting import AskedRedirect, PayoutRedirect, RedirectPort
from services.orders.withdrawals import rules
from services.orders.withdrawals.domain import State, Withdrawal
from services.orders.withdrawals.store import WithdrawalStore


class RedirectNotAllowed(PermissionDenied):
    """The marketplace leaves redirections to operators."""

    reason = "PAYOUT_REDIRECT_NOT_ALLOWED"


class NoEscrow(FailedPrecondition):
    """The order has no contract that pays anybody."""

    reason = "ESCROW_NOT_READY"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRedirect:
    """The content of a request for a redirection."""

    order_id: uuid.UUID
    party: Party
    address: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectService:
    """The use case of redirections. encode: encodes the answer as bytes."""

    database: Database
    orders: OrderStore
    store: WithdrawalStore
    idempotency: Idempotency
    escrow: RedirectPort
    encode: Callable[[NewRedirect, PayoutRedirect], bytes]

    async def redirect(self, request: Request, new: NewRedirect) -> Answer:
        """Propose an address, approve another key's proposal, or decide with one key.

        Raises: RedirectNotAllowed; OrderNotFound; NoEscrow; DestinationNotListed;
            DestinationTooNew; what escrow refuses.
        """
        key = request.key

        async def look() -> Answer | int:
            async with self.database.transaction() as tx:
                if (known := await self.idempotency.known(tx, key)) is not None:
                    return known
                return await self._approval_hours(tx, request.marketplace_id, new)

        async with self.idempotency.keeping_refusals(self.database, key):
            hours = await self.database.retrying(look)
        if isinstance(hours, Answer):
            return hours
        # Escrow stores its answer and its refusals under this derived request id.
        found = await self.escrow.redirect(
            AskedRedirect(
                request_id=str(derived_id("redirect", key.marketplace_id, key.scope, key.key)),
                fingerprint=key.fingerprint,
                order_id=new.order_id,
                party=new.party.value,
                address=new.address,
                why=new.why,
                approval_hours=hours,
                wait_seconds=int(request.wait_seconds),
            )
        )

        async def keep(_: Transaction) -> bytes:
            return self.encode(new, found)

        return await self.idempotency.execute(self.database, key, keep)

    async def _approval_hours(
        self, tx: Transaction, marketplace_id: uuid.UUID, new: NewRedirect
    ) -> int:
        """Check a request against the rules; return the hours for a second key, 0: not needed."""
        order = await self.orders.get(tx, marketplace_id=marketplace_id, order_id=new.order_id)
        chosen = await marketplace_rules(tx, marketplace_id)
        if chosen.payout_redirects is not PayoutRedirects.MARKETPLACE:
            raise RedirectNotAllowed("Payouts of this marketplace are redirected by operators")
        if order.escrow is None:
            raise NoEscrow("The order has no escrow")
        paid = _as_withdrawal(order, new)
        rules.require_listed(chosen.withdrawals, new.address)
        history = await self.store.history(tx, paid)
        rules.require_old_enough(chosen.withdrawals, new.address, history)
        return _hours(chosen.withdrawals, paid)


def _hours(chosen: WithdrawalRules, paid: Withdrawal) -> int:
    return chosen.approval_hours if rules.needs_approval(chosen, paid) else 0


def _as_withdrawal(order: Order, new: NewRedirect) -> Withdrawal:
    """Return a redirected payout as a withdrawal by the party: the same rules apply."""
    return Withdrawal(
        id=new_id(),
        marketplace_id=order.marketplace_id,
        user=order.seller if new.party is Party.SELLER else order.buyer,
        asset=order.asset,
        amount=order.amount,
        destination=new.address,
        memo=None,
        reference="",
        state=State.CREATED,
        created_at=order.created_at,
        created_by=identity.current().principal,
    )
