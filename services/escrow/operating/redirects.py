"""Lets two operators redirect what a contract pays to a party whose wallet cannot receive it.

The first operator proposes an address of the same party; the second one names the same address.
Nothing is paid here: the next release, refund or decision pays that address, and its envelope is
verified like any other. A contract with a command in progress is not changed, so a signed envelope
never names another address than the books do.
"""

import uuid
from dataclasses import dataclass, replace

from chassis.audit import Trail
from chassis.database import Database, Transaction
from chassis.telemetry import logger
from kernel.errors import InvalidArgument
from kernel.ids import new_id
from services.escrow.commands.store import CommandStore
from services.escrow.contracts.contract import payouts
from services.escrow.contracts.evidence import AddressKind
from services.escrow.domain import (
    IN_MOTION,
    CommandInMotion,
    Escrow,
    EscrowNotFound,
    EscrowNotReady,
    EscrowState,
    PayeeRole,
)
from services.escrow.operating import lines
from services.escrow.operating.redirect_store import Redirect, RedirectStore
from services.escrow.ports import Chain
from services.escrow.wallets.destinations import Destinations

AT_REST = frozenset({EscrowState.FUNDED, EscrowState.DISPUTED})
log = logger()


class PayoutAddressInvalid(InvalidArgument):
    """The address cannot be paid by a contract, or it has another part in the order."""

    reason = "PAYOUT_ADDRESS_INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirects:
    """The use case. provider: the address that receives the contract's own fee."""

    database: Database
    store: CommandStore
    redirects: RedirectStore
    destinations: Destinations
    chain: Chain
    provider: str

    async def redirect(
        self,
        *,
        marketplace_id: uuid.UUID,
        order_id: uuid.UUID,
        party: PayeeRole,
        address: str,
        why: str,
        by: str,
    ) -> Redirect:
        """Propose an address, or approve the one that another operator has proposed.

        A repetition by the same operator returns the existing proposal.
        Raises: EscrowNotFound; CommandInMotion; EscrowNotReady: the contract does not hold the
            money; PayoutAddressInvalid; ChainUnavailable.
        """
        async with self.database.statement() as connection:
            known = await self.store.find_escrow(
                connection, marketplace_id=marketplace_id, order_id=order_id
            )
        if known is None:
            raise EscrowNotFound("The order has no escrow", details={"orderId": str(order_id)})
        await self.require_payable(known, address)
        async with self.database.transaction() as tx:
            escrow = await self.store.lock_escrow(
                tx, marketplace_id=marketplace_id, order_id=order_id
            )
            require_at_rest(escrow)
            require_own(escrow, party=party, address=address)
            decided = await self._decide(tx, escrow, party=party, address=address, why=why, by=by)
        log.warning(
            "escrow.payout_redirected" if decided.approved_by else "escrow.redirect_proposed",
            order_id=str(order_id),
            party=party.value,
            address=address,
            by=by,
            why=why,
        )
        return decided

    async def require_payable(self, escrow: Escrow, address: str) -> None:
        """Check that a contract can pay an address now. Raises: PayoutAddressInvalid."""
        if self.chain.recipient(address).kind is not AddressKind.ACCOUNT:
            raise _invalid("It is not the address of an account")
        if address == self.provider:
            raise _invalid("It receives the contract's own fee")
        flaw, _ = await self.destinations.flaw(
            address, payer="", memo=None, amount=escrow.terms.amount
        )
        if flaw is not None:
            raise _invalid(flaw.message)

    async def _decide(
        self,
        tx: Transaction,
        escrow: Escrow,
        *,
        party: PayeeRole,
        address: str,
        why: str,
        by: str,
    ) -> Redirect:
        found = await self.redirects.open_one(tx, escrow, party=party, address=address)
        if found is not None and found.proposed_by == by:
            return found
        before = paid_at(escrow, party)
        if found is None:
            decided = await self.redirects.propose(
                tx, escrow, redirect_id=new_id(), party=party, address=address, why=why, by=by
            )
        else:
            await self.redirects.approve(tx, escrow, found, by=by)
            decided = replace(found, approved_by=by)
        change = lines.about_redirect(
            escrow.order_id, party=party, before=before, redirect=decided, why=why
        )
        await Trail().record(tx, change, marketplace_id=escrow.marketplace_id)
        return decided


def paid_at(escrow: Escrow, party: PayeeRole) -> str:
    """Return the address that is paid instead of a party's wallet; "": the wallet is paid."""
    return escrow.seller_payout if party is PayeeRole.SELLER else escrow.buyer_payout


def require_own(escrow: Escrow, *, party: PayeeRole, address: str) -> None:
    """Check that an address is not the other party's. Raises: PayoutAddressInvalid."""
    if address in payouts(escrow) - {paid_at(escrow, party)}:
        raise _invalid("It is the other party's")


def require_at_rest(escrow: Escrow) -> None:
    """Check that no command on a contract is in progress.

    Raises: CommandInMotion; EscrowNotReady.
    """
    if escrow.state in IN_MOTION:
        raise CommandInMotion("A command on the contract is in progress; abandon it first")
    if escrow.state not in AT_REST:
        raise EscrowNotReady(f"The contract is {escrow.state}")


def _invalid(why: str) -> PayoutAddressInvalid:
    return PayoutAddressInvalid("The address cannot be paid", fields=[("address", why)])
