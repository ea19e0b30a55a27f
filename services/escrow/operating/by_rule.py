"""Lets a marketplace redirect a payout that the network refuses, if its rule allows it.

Orders enforces the rule. Here the chain is asked whether the present address can receive: a party
who can be paid is never redirected. A release, refund or decision that the chain refuses is
abandoned first. Until that command has ended, with proof that it landed nowhere, the address stays
unchanged.
"""

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from chassis import identity
from chassis.audit import Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.telemetry import logger
from kernel.errors import FailedPrecondition
from kernel.ids import new_id
from services.escrow.commands.store import CommandStore
from services.escrow.contracts import fees
from services.escrow.contracts.destinations import Flaw, flaw_of_account
from services.escrow.deposits.store import Deposits
from services.escrow.domain import (
    IN_MOTION,
    Command,
    CommandEnded,
    CommandInMotion,
    CommandKind,
    CommandState,
    Escrow,
    EscrowNotFound,
    EscrowNotReady,
    PayeeRole,
    WalletState,
)
from services.escrow.operating import lines
from services.escrow.operating.redirect_store import Redirect, RedirectStore
from services.escrow.operating.redirects import (
    AT_REST,
    Redirects,
    paid_at,
    require_at_rest,
    require_own,
)
from services.escrow.operating.rulings import Ruling, Rulings
from services.escrow.ports import Chain, ChainRefused, ChainUnavailable
from services.escrow.wallets.store import WalletStore

# The approver that is recorded when one key is enough.
RULE = "rule"
# Flaws for which the network refuses every payment to an account.
BLOCKED = frozenset(
    {
        Flaw.ACCOUNT_MISSING,
        Flaw.NO_TRUSTLINE,
        Flaw.TRUSTLINE_NOT_AUTHORIZED,
        Flaw.TRUSTLINE_FULL,
    }
)
PAYING = frozenset({CommandKind.RELEASE, CommandKind.REFUND, CommandKind.RESOLVE})
log = logger()


class PayeeCanReceive(FailedPrecondition):
    """The party's current address can receive the payout, so no redirection is needed."""

    reason = "PAYEE_CAN_RECEIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A marketplace's request. approval_hours: for a second key; 0: one key is enough."""

    key: RequestKey
    order_id: uuid.UUID
    party: PayeeRole
    address: str
    why: str
    approval_hours: int
    wait_seconds: int

    def is_decided(self, found: Redirect | None, *, by: str) -> bool:
        """Tell whether the request takes effect now. found: the open proposal before it."""
        return self.approval_hours == 0 or (found is not None and found.proposed_by != by)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectsByRule:
    """The use case. ended: waits for a command's end. encode: makes the stored answer's bytes."""

    database: Database
    idempotency: Idempotency
    store: CommandStore
    wallets: WalletStore
    deposits: Deposits
    rows: RedirectStore
    redirects: Redirects
    rulings: Rulings
    chain: Chain
    ended: Callable[..., Awaitable[Command]]
    encode: Callable[[Redirect], bytes]

    async def redirect(self, asked: Asked) -> Answer:
        """Propose an address, approve another key's proposal, or decide alone if the rule says so.

        Raises: EscrowNotFound; EscrowNotReady: the contract does not hold the money;
            PayeeCanReceive; PayoutAddressInvalid; CommandInMotion: a command is in progress that
            must not be abandoned, or has not ended yet; CommandHasPaid; ChainUnavailable.
        """
        by = identity.current().principal
        async with self.idempotency.keeping_refusals(self.database, asked.key):
            async with self.database.transaction() as tx:
                if (known := await self.idempotency.known(tx, asked.key)) is not None:
                    return known
                escrow = await self._escrow(tx, asked)
                found = await self._proposal(tx, escrow, asked)
            require_own(escrow, party=asked.party, address=asked.address)
            await self._require_blocked(escrow, asked.party)
            await self.redirects.require_payable(escrow, asked.address)
            if asked.is_decided(found, by=by):
                await self._end_refused(escrow, asked, by=by)
            return await self.database.retrying(lambda: self._once(asked, by=by))

    async def _escrow(self, tx: Transaction, asked: Asked) -> Escrow:
        found = await self.store.find_escrow(
            tx, marketplace_id=asked.key.marketplace_id, order_id=asked.order_id
        )
        if found is None:
            raise EscrowNotFound("The order has no escrow")
        if found.state not in AT_REST | IN_MOTION:
            raise EscrowNotReady(f"The contract is {found.state}")
        return found

    async def _proposal(self, tx: Transaction, escrow: Escrow, asked: Asked) -> Redirect | None:
        return await self.rows.open_one(
            tx, escrow, party=asked.party, address=asked.address, by_rule=True
        )

    async def _require_blocked(self, escrow: Escrow, party: PayeeRole) -> None:
        """Check on the chain that a party's present address cannot be paid.

        A ledger older than the newest known one proves nothing, because the address may have
        changed since.
        Raises: PayeeCanReceive; ChainUnavailable.
        """
        address = paid_at(escrow, party)
        if not address:
            is_seller = party is PayeeRole.SELLER
            wallet_id = escrow.seller_wallet_id if is_seller else escrow.buyer_wallet_id
            async with self.database.statement() as connection:
                [(wallet, _)] = await self.wallets.wallets(
                    connection, marketplace_id=escrow.marketplace_id, wallet_ids=[wallet_id]
                )
            if wallet.state is not WalletState.ACTIVE:
                raise PayeeCanReceive("The wallet's account is made again when it is paid")
            address = wallet.address
        recipient = self.chain.recipient(address)
        async with self.database.statement() as connection:
            known = await self.deposits.known_ledger(connection)
        view, ledger = await self.chain.recipient_view(recipient.account)
        if ledger < known:
            raise ChainUnavailable("The node lags behind ledgers that are known")
        flaw = flaw_of_account(recipient, view, memo=None, amount=_least_paid(escrow, party))
        if flaw not in BLOCKED:
            raise PayeeCanReceive(
                "The network pays the party's present address", details={"address": address}
            )

    async def _end_refused(self, escrow: Escrow, asked: Asked, *, by: str) -> None:
        """Abandon the payment that the chain refuses, and wait for its end.

        A command that may still land, that waits for something else, or that needs an operator is
        not abandoned. Raises: CommandInMotion; CommandHasPaid.
        """
        async with self.database.transaction() as tx:
            command = await self.store.unfinished(tx, escrow)
        if command is None:
            return
        is_refused = command.state is CommandState.RUNNING and (
            command.error_reason == ChainRefused.reason or bool(command.abandoned_why)
        )
        if command.kind not in PAYING or not is_refused:
            raise CommandInMotion("A command on the contract is in progress")
        names = {"marketplace_id": command.marketplace_id, "command_id": command.id}
        if not command.abandoned_why:
            try:
                await self.rulings.abandon(**names, ruling=Ruling(by=by, why=asked.why))
            except CommandEnded:
                return
        ended = await self.ended(**names, wait_seconds=asked.wait_seconds)
        if ended.finished_at is None:
            raise CommandInMotion("The payment that the chain refuses is being ended; ask again")

    async def _once(self, asked: Asked, *, by: str) -> Answer:
        async with self.database.transaction() as tx:
            if (known := await self.idempotency.claim(tx, asked.key)) is not None:
                return known
            escrow = await self.store.lock_escrow(
                tx, marketplace_id=asked.key.marketplace_id, order_id=asked.order_id
            )
            require_own(escrow, party=asked.party, address=asked.address)
            decided = await self._decide(tx, escrow, asked, by=by)
            body = self.encode(decided)
            await self.idempotency.finish(tx, asked.key, body)
        log.warning(
            "escrow.payout_redirected" if decided.approved_by else "escrow.redirect_proposed",
            order_id=str(asked.order_id),
            party=asked.party.value,
            address=asked.address,
            by=by,
            why=asked.why,
        )
        return Answer(body=body)

    async def _decide(self, tx: Transaction, escrow: Escrow, asked: Asked, *, by: str) -> Redirect:
        before, found = paid_at(escrow, asked.party), await self._proposal(tx, escrow, asked)
        is_new, is_decided = found is None, asked.is_decided(found, by=by)
        if is_decided:
            require_at_rest(escrow)
        if found is None:
            found = await self.rows.propose(
                tx,
                escrow,
                redirect_id=new_id(),
                party=asked.party,
                address=asked.address,
                why=asked.why,
                by=by,
                by_rule=True,
                lifetime=dt.timedelta(hours=asked.approval_hours) or None,
            )
        if is_decided:
            approver = RULE if found.proposed_by == by else by
            await self.rows.approve(tx, escrow, found, by=approver)
            found = replace(found, approved_by=approver)
        if is_new or is_decided:
            change = lines.about_redirect(
                escrow.order_id,
                party=asked.party,
                before=before,
                redirect=found,
                why=asked.why,
                verb="redirect" if found.approved_by == RULE else "",
            )
            await Trail().record(tx, change, marketplace_id=escrow.marketplace_id)
        return found


def _least_paid(escrow: Escrow, party: PayeeRole) -> int:
    """Return the least that the contract pays a party of the whole amount, in minor units."""
    amount, kept = escrow.terms.amount, fees.PROVIDER_FEE_BPS
    if party is PayeeRole.SELLER:
        agreed = escrow.terms.platform_fee_bps
        kept += fees.contract_fee_bps(amount=amount, agreed_bps=agreed)
    return max(0, amount * (fees.ALL_BPS - kept) // fees.ALL_BPS)
