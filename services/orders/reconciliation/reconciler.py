"""The reconciler: one process among all replicas compares ledger and chain continuously.

A pass compares one page of accounts, with one request to the chain's node and a few calls to ledger
and escrow. A page with differences is compared again before the next page, because a payment may
only have been under way.
"""

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from chassis import identity, published
from chassis.database import Database, Transaction
from chassis.session_lock import only_one
from chassis.telemetry import logger
from kernel.errors import DomainError, Unavailable
from services.orders.reconciliation.difference_store import DifferenceStore
from services.orders.reconciliation.holdings import (
    ESCROW,
    Difference,
    Found,
    Holding,
    Place,
    Reconciliation,
    Waiting,
    difference,
)

CONNECTIONS = 1
AWAY_SECONDS = 1.0
CHAIN, LEDGER = "CHAIN", "LEDGER"
# The most passes over a page whose differences are not confirmed.
LOOKS_MAX = 12
log = logger()


class BalancesPort(Protocol):
    """The calls of reconciliation to the ledger; amounts in minor units."""

    async def balances(self, accounts: Collection[str]) -> Mapping[str, int]:
        """Return the balances of accounts with their holds; missing accounts are left out."""
        ...

    async def locked(self, *, page_token: str) -> tuple[Mapping[str, int], str]:
        """Return a page of the nonempty escrow accounts, and the next page's token."""
        ...

    async def in_suspense(self) -> Mapping[str, int] | None:
        """Sum the deposits in suspense for each user's account; None: there are too many."""
        ...


class HoldersPort(Protocol):
    """The calls of reconciliation to escrow, about wallets and contracts on chain."""

    async def holdings(self, *, page_token: str) -> tuple[Sequence[Holding], str]:
        """Return a page of wallets and contracts with live balances, and the next page's token."""
        ...

    async def has_contract(self, order_id: str) -> bool:
        """Tell whether an order has a contract that may hold money."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A compared page: its accounts, those that differ, and the next page's token."""

    compared: Collection[str]
    differing: Sequence[Difference]
    next_token: str


@dataclass(slots=True, kw_only=True)
class Reconciler:
    """Compares ledger and chain. every_seconds: the pause between two passes.

    last: the state of reconciliation, for metrics; None: another process compares.
    """

    database: Database
    store: DifferenceStore
    ledger: BalancesPort
    escrow: HoldersPort
    every_seconds: float
    last: Reconciliation | None = None
    _looks: int = field(default=0, init=False)
    _told: set[tuple[uuid.UUID, str]] = field(default_factory=set, init=False)

    async def run(self) -> None:
        """Compare until cancelled. A session lock lets only one process compare; others wait."""
        try:
            async with only_one(self.database, kind="reconcile", name=self.database.schema):
                while True:
                    await self.step()
                    await asyncio.sleep(self.every_seconds)
        except Unavailable as error:
            log.warning("reconcile.waits", error=error.reason)
            await asyncio.sleep(AWAY_SECONDS)
        finally:
            self.last = None

    async def step(self) -> None:
        """Compare one page and store its differences."""
        async with self.database.transaction() as tx:
            place = await self._place(tx)
        if place is not None:
            try:
                await self._compare(place)
            except DomainError as error:
                # A peer or the node is unavailable: the next pass compares the same page.
                log.info("reconcile.waits", error=error.reason)
        async with self.database.statement() as connection:
            self.last = await self.store.known(connection)

    async def found(self, *, marketplace_id: uuid.UUID) -> tuple[Reconciliation, list[Found]]:
        """Return the state of reconciliation, and the confirmed differences of a marketplace."""
        async with self.database.transaction() as tx:
            known = await self.store.known(tx)
            return known, await self.store.differences(tx, marketplace_id=marketplace_id)

    async def waiting(self, *, marketplace_id: uuid.UUID) -> Waiting:
        """Return the waiting work of a marketplace."""
        async with self.database.transaction() as tx:
            return Waiting(
                slow=await self.store.slow_operations(tx, marketplace_id=marketplace_id),
                oldest_event_at=await published.oldest(tx, marketplace_id),
            )

    async def _place(self, tx: Transaction) -> Place | None:
        """Return the place of the next page; None: there is no marketplace."""
        place = await self.store.place(tx)
        if place.marketplace_id.int:
            return place
        first = await self.store.next_marketplace(tx, place.marketplace_id)
        if first is None:
            await self.store.end_round(tx)
            return None
        return replace(place, marketplace_id=first)

    async def _compare(self, place: Place) -> None:
        """Compare a page; move to the next unless a difference must be confirmed first.

        Raises: DomainError.
        """
        who = identity.system(caller="orders", marketplace_id=place.marketplace_id)
        with identity.acting_as(who):
            look = self._beside_chain if place.side == CHAIN else self._beside_ledger
            page = await look(place.page_token)
        self._looks += 1
        async with self.database.transaction() as tx:
            recorded = await self.store.record(
                tx,
                marketplace_id=place.marketplace_id,
                compared=page.compared,
                differing=page.differing,
            )
            is_doubted = not all(is_confirmed for _, is_confirmed in recorded)
            if is_doubted and self._looks < LOOKS_MAX:
                await self.store.move(tx, place)
            else:
                self._looks = 0
                await self._go_on(tx, place, page)
        self._tell(place.marketplace_id, page, [one for one, is_so in recorded if is_so])

    async def _go_on(self, tx: Transaction, place: Place, page: Page) -> None:
        """Save the place of the next pass."""
        beside_chain = place.side == CHAIN
        counted = place.accounts + (len(page.compared) if beside_chain else 0)
        place = replace(place, page_token=page.next_token, accounts=counted)
        if not page.next_token and beside_chain:
            place = replace(place, side=LEDGER)
        elif not page.next_token:
            following = await self.store.next_marketplace(tx, place.marketplace_id)
            if following is None:
                await self.store.move(tx, place)
                await self.store.end_round(tx)
                return
            place = replace(place, marketplace_id=following, side=CHAIN)
        await self.store.move(tx, place)

    async def _beside_chain(self, page_token: str) -> Page:
        """Compare wallets and contracts with their accounts in the ledger."""
        holdings, following = await self.escrow.holdings(page_token=page_token)
        names = [one.account for one in holdings]
        balances = dict(await self.ledger.balances(names)) if names else {}
        differing = _differing(holdings, balances)
        if any(not one.account.startswith(ESCROW) for one in differing):
            waiting = await self.ledger.in_suspense()
            if waiting is None:
                # With too many deposits in suspense, the wallets' differences cannot be judged.
                differing = [one for one in differing if one.account.startswith(ESCROW)]
            else:
                for account, units in waiting.items():
                    balances[account] = balances.get(account, 0) + units
                differing = _differing(holdings, balances)
        return Page(compared=names, differing=differing, next_token=following)

    async def _beside_ledger(self, page_token: str) -> Page:
        """Find money that the ledger has locked for contracts that do not exist."""
        locked, following = await self.ledger.locked(page_token=page_token)
        without = [
            account
            for account in locked
            if not await self.escrow.has_contract(account.removeprefix(ESCROW))
        ]
        return Page(
            compared=without,
            differing=[Difference(account=one, ledger=locked[one], chain=0) for one in without],
            next_token=following,
        )

    def _tell(self, marketplace_id: uuid.UUID, page: Page, confirmed: Sequence[Difference]) -> None:
        """Log once for each account that it differs, and once when it agrees again."""
        differing = {one.account for one in confirmed}
        for one in confirmed:
            if (marketplace_id, one.account) not in self._told:
                self._told.add((marketplace_id, one.account))
                log.error(
                    "reconcile.differs",
                    marketplace_id=str(marketplace_id),
                    account=one.account,
                    ledger=one.ledger,
                    chain=one.chain,
                )
        for account in set(page.compared) - differing:
            if (marketplace_id, account) in self._told:
                self._told.discard((marketplace_id, account))
                log.info("reconcile.agrees", marketplace_id=str(marketplace_id), account=account)


def _differing(holdings: Sequence[Holding], balances: Mapping[str, int]) -> list[Difference]:
    found = (difference(one, ledger=balances.get(one.account, 0)) for one in holdings)
    return [one for one in found if one is not None]
