"""The use cases of a marketplace's settings, and of the clock of a test marketplace."""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chassis import identity
from chassis.audit import Change, Trail
from chassis.database import Connection, Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from kernel.errors import FailedPrecondition
from services.orders.deadlines.store import ClockStore
from services.orders.order.domain import Origin
from services.orders.order.marketplace_rules import MarketplaceRules, marketplace_rules

# The environment whose API keys may move the clock.
TEST = "test"
# The most that a clock may be moved in total.
OFFSET_MAX = dt.timedelta(days=3660)


class ClockTooFar(FailedPrecondition):
    """The test marketplace's clock was moved as far as it may be: ten years."""

    reason = "CLOCK_TOO_FAR"


class ClockOfLive(FailedPrecondition):
    """Only a key of a test marketplace can move the clock."""

    reason = "LIVE_MARKETPLACE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marketplace:
    """The effective settings of a marketplace, and the time by its clock."""

    rules: MarketplaceRules
    platform_fee_bps: Mapping[Origin, int]
    time: dt.datetime


class Chosen:
    """Reads the settings of marketplaces, and moves the clocks of test marketplaces."""

    def __init__(
        self,
        *,
        database: Database,
        idempotency: Idempotency,
        platform_fee_bps: Mapping[Origin, int],
        encode: Callable[[Marketplace], bytes],
    ) -> None:
        """Take the parts. platform_fee_bps: the service's default fees, in basis points."""
        self._database = database
        self._idempotency = idempotency
        self._trail = Trail()
        self._clocks = ClockStore()
        self._platform_fee_bps = platform_fee_bps
        self._encode = encode

    async def read(self, marketplace_id: uuid.UUID) -> Marketplace:
        """Read the effective settings of a marketplace."""
        async with self._database.transaction() as tx:
            return await self._marketplace(tx, marketplace_id)

    async def advance(self, key: RequestKey, *, by: dt.timedelta) -> Answer:
        """Move a test marketplace's clock forward. Raises: ClockOfLive; ClockTooFar."""
        if identity.current().environment != TEST:
            raise ClockOfLive("The clock of a live marketplace cannot be moved")

        async def work(tx: Transaction) -> bytes:
            found = await marketplace_rules(tx, key.marketplace_id)
            if found.clock_offset + by > OFFSET_MAX:
                raise ClockTooFar("The clock can be moved by at most ten years in total")
            await self._clocks.advance(tx, marketplace_id=key.marketplace_id, by=by)
            await self._idempotency.age(tx, key, by=by)
            change = Change(
                action="clock.advance",
                target_type="marketplace",
                target_id=str(key.marketplace_id),
                before={"clockOffsetSeconds": int(found.clock_offset.total_seconds())},
                after={"clockOffsetSeconds": int((found.clock_offset + by).total_seconds())},
            )
            await self._trail.record(tx, change, marketplace_id=key.marketplace_id)
            return self._encode(await self._marketplace(tx, key.marketplace_id))

        return await self._idempotency.execute(self._database, key, work)

    async def _marketplace(self, connection: Connection, marketplace_id: uuid.UUID) -> Marketplace:
        rules = await marketplace_rules(connection, marketplace_id)
        fees = {
            origin: default if (rate := rules.platform_fee_bps(origin)) is None else rate
            for origin, default in self._platform_fee_bps.items()
        }
        now = await self._clocks.now(connection, marketplace_id)
        return Marketplace(rules=rules, platform_fee_bps=fees, time=now)
