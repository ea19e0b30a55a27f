"""The keeper: pays the rent of entries before the network archives them.

Nobody else pays it: the contract extends its own entries late, and the code and the factory never.
An entry that is archived nevertheless is restored by the next call that needs it.
"""

import asyncio
from collections.abc import Sequence

from chassis.database import Database
from chassis.telemetry import logger
from services.escrow.contracts.evidence import Lifetime
from services.escrow.contracts.intents import ExtendLifetimes
from services.escrow.measures import LIFETIMES
from services.escrow.ports import Chain
from services.escrow.sending.place_store import PlaceStore
from services.escrow.sending.places import wrong_with
from services.escrow.sending.platform_sender import PlatformSender
from services.escrow.wallets.keyring import Keyring

# Source: Stellar closes a ledger about every five seconds.
LEDGERS_A_DAY = 17_280
LOOK_SECONDS = 3600
# Fewer than the entries that a transaction may name.
KEYS_MAX = 40
CONTRACTS_AT_ONCE = 60
log = logger()


class Keeper:
    """Extends the code, the factories, and the contracts of orders that have not ended.

    days: an entry that lives for less than half of this time is extended to all of it.
    """

    def __init__(
        self,
        *,
        database: Database,
        places: PlaceStore,
        chain: Chain,
        keyring: Keyring,
        sender: PlatformSender,
        factories: Sequence[str],
        code: str,
        days: int,
    ) -> None:
        self._database = database
        self._places = places
        self._chain = chain
        self._keyring = keyring
        self._sender = sender
        self._factories = factories
        self._code = code
        self._days = days
        self._look_at = 0.0

    @property
    def is_due(self) -> bool:
        """Tell whether the last look was at least an hour ago."""
        return asyncio.get_running_loop().time() >= self._look_at

    async def look_in_time(self) -> None:
        """Look, if the last look was at least an hour ago. Raises: as `look`."""
        if not self.is_due:
            return
        now = asyncio.get_running_loop().time()
        await self.look()
        self._look_at = now + LOOK_SECONDS

    async def look(self) -> int:
        """Extend entries whose remaining life is too short; return how many were extended.

        Raises: ChainUnavailable; PlatformNotFunded; FeesTooHigh; ChainRefused.
        """
        await self._check_factories()
        extended = 0
        shared = {
            "code": await self._chain.lifetimes(code=self._code),
            "factory": await self._chain.lifetimes(factories=self._factories),
        }
        for what, found in shared.items():
            extended += await self._extend(what, found)
        after, shortest = "", []
        while contracts := await self._live(after):
            found = await self._chain.lifetimes(escrows=contracts)
            shortest += [each.ledgers_left for each in found]
            extended += await self._extend("order", found)
            after = contracts[-1]
        LIFETIMES.labels("order").set(min(shortest, default=0) / LEDGERS_A_DAY)
        return extended

    async def _check_factories(self) -> None:
        """Log an alarm for each factory that makes no contracts. Orders use the next factory."""
        for factory in self._factories:
            why = await wrong_with(self._chain, factory)
            if await self._chain.code_of(factory) is None:
                why = "there is no such contract"
            if why:
                log.error("escrow.factory_unusable", factory=factory, why=why)

    async def _live(self, after: str) -> Sequence[str]:
        async with self._database.statement() as connection:
            return await self._places.live(connection, after=after, limit=CONTRACTS_AT_ONCE)

    async def _extend(self, what: str, found: Sequence[Lifetime]) -> int:
        """Extend the entries that are due; return how many.

        An archived entry cannot be extended.
        """
        if found:
            shortest = min(each.ledgers_left for each in found)
            LIFETIMES.labels(what).set(shortest / LEDGERS_A_DAY)
        ledgers = self._days * LEDGERS_A_DAY
        due = [each.key for each in found if 0 < each.ledgers_left < ledgers / 2]
        account = (await self._keyring.platform()).address
        for start in range(0, len(due), KEYS_MAX):
            keys = tuple(due[start : start + KEYS_MAX])
            await self._sender.until_landed(
                ExtendLifetimes(account=account, keys=keys, ledgers=ledgers)
            )
            log.info("lifetimes.extended", what=what, entries=len(keys), days=self._days)
        return len(due)
