"""The progress and the findings of reconciliation in PostgreSQL."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from chassis.database import Transaction
from services.orders.reconciliation.holdings import (
    Difference,
    Found,
    Place,
    Reconciliation,
    SlowOperation,
)

# How long a difference must last to be confirmed: long enough for running commands to end.
CONFIRMED_SECONDS = 30
SHOWN_MAX = 100
# Operations that have run for longer are listed as slow, up to this number.
SLOW_MINUTES, SLOW_MAX = 5, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceStore:
    """Reads and writes reconciliation and differences. Only one process writes at a time.

    confirmed_seconds: a difference is confirmed when its figures have not changed for so long.
    """

    confirmed_seconds: int = CONFIRMED_SECONDS

    async def place(self, tx: Transaction) -> Place:
        """Return the place that is compared next."""
        found = await tx.fetchrow(_PLACE)
        if found is None:
            raise LookupError("the row of the comparison is missing")
        return Place(**found._asdict())

    async def move(self, tx: Transaction, place: Place) -> None:
        """Save the place that is compared next, and the time of this pass."""
        await tx.run(_MOVE, asdict(place))

    async def end_round(self, tx: Transaction) -> None:
        """Begin a new round; delete the differences that the finished round did not see again."""
        await tx.run(_FORGET)
        await tx.run(_END_ROUND)

    async def next_marketplace(self, tx: Transaction, after: uuid.UUID) -> uuid.UUID | None:
        """Return the next marketplace with users; None: there is no further one."""
        found: uuid.UUID | None = await tx.fetchval(_NEXT, {"after": after})
        return found

    async def record(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        compared: Collection[str],
        differing: Sequence[Difference],
    ) -> list[tuple[Difference, bool]]:
        """Store the differences of a page; return each with whether it is confirmed.

        compared: the accounts of the page; earlier differences of accounts that agree are deleted.
        """
        own: dict[str, object] = {"marketplace_id": marketplace_id}
        names = [one.account for one in differing]
        await tx.run(_AGREE, own | {"compared": list(compared), "differing": names})
        found = []
        for one in sorted(differing, key=lambda each: each.account):
            values = own | asdict(one) | {"seconds": self.confirmed_seconds}
            found.append((one, await tx.fetchval(_DIFFER, values) is True))
        return found

    async def known(self, tx: Transaction) -> Reconciliation:
        """Return the state of reconciliation over all marketplaces."""
        found = await tx.fetchrow(_KNOWN, {"seconds": self.confirmed_seconds})
        if found is None:
            raise LookupError("the row of the comparison is missing")
        return Reconciliation(**found._asdict())

    async def differences(self, tx: Transaction, *, marketplace_id: uuid.UUID) -> list[Found]:
        """List the confirmed differences of a marketplace, oldest first."""
        values = {
            "marketplace_id": marketplace_id,
            "seconds": self.confirmed_seconds,
            "limit": SHOWN_MAX,
        }
        return [Found(**row._asdict()) for row in await tx.fetch(_DIFFERENCES, values)]

    async def slow_operations(
        self, tx: Transaction, *, marketplace_id: uuid.UUID
    ) -> list[SlowOperation]:
        """List the slow operations of a marketplace, oldest first."""
        values = {"marketplace_id": marketplace_id, "minutes": SLOW_MINUTES, "limit": SLOW_MAX}
        return [SlowOperation(**row._asdict()) for row in await tx.fetch(_SLOW, values)]


_PLACE = "select marketplace_id, side, page_token, accounts from reconciliation where id = 1"
_MOVE = """
update reconciliation set marketplace_id = %(marketplace_id)s, side = %(side)s,
    page_token = %(page_token)s, accounts = %(accounts)s,
    looked_at = clock_timestamp()
where id = 1
"""
_FORGET = """
delete from differences d using reconciliation r where r.id = 1 and d.seen_at < r.round_started_at
"""
_END_ROUND = """
update reconciliation set marketplace_id = '00000000-0000-0000-0000-000000000000', side = 'CHAIN',
    page_token = '', accounts = 0, round_started_at = clock_timestamp(),
    looked_at = clock_timestamp(), round_finished_at = clock_timestamp(), round_accounts = accounts
where id = 1
"""
_NEXT = """
select marketplace_id from users where marketplace_id > %(after)s order by marketplace_id limit 1
"""
_AGREE = """
delete from differences
where marketplace_id = %(marketplace_id)s and account = any(%(compared)s::text[])
    and account <> all(%(differing)s::text[])
"""
_DIFFER = """
insert into differences as d (marketplace_id, account, ledger, chain, since, seen_at)
values (%(marketplace_id)s, %(account)s, %(ledger)s, %(chain)s, clock_timestamp(),
        clock_timestamp())
on conflict (marketplace_id, account) do update set
    since = case when (d.ledger, d.chain) = (excluded.ledger, excluded.chain)
            then d.since else excluded.since end,
    ledger = excluded.ledger, chain = excluded.chain, seen_at = excluded.seen_at
returning seen_at - since >= %(seconds)s * interval '1 second'
"""
_KNOWN = """
select looked_at, round_finished_at, round_accounts, (
    select count(*) from differences where seen_at - since >= %(seconds)s * interval '1 second'
) as differing
from reconciliation where id = 1
"""
_DIFFERENCES = """
select account, ledger, chain, since from differences
where marketplace_id = %(marketplace_id)s and seen_at - since >= %(seconds)s * interval '1 second'
order by since, account limit %(limit)s
"""
# Uses the partial index of running operations.
_SLOW = """
select order_id, kind, started_at as since from operations
where marketplace_id = %(marketplace_id)s and state = 'running'
    and started_at <= clock_timestamp() - make_interval(mins => %(minutes)s)
order by started_at, order_id limit %(limit)s
"""
