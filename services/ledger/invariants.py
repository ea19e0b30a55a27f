"""The ledger's invariants: one query each, all over one snapshot.

A check reads whole tables: a request must not wait until it ends.
"""

import re
from collections.abc import Mapping
from typing import Any

from chassis.database import Transaction, allow_seconds
from kernel.ids import MarketplaceId
from services.ledger.book import Invariant

OFFENDERS_SHOWN = 5
CHECK_SECONDS = 300


async def check(tx: Transaction, *, marketplace_id: MarketplaceId | None) -> list[Invariant]:
    """Check every invariant of one marketplace; None: of all marketplaces.

    Must be the first statement of the transaction, which becomes a read-only snapshot.
    """
    await tx.execute("set transaction isolation level repeatable read, read only")
    await allow_seconds(tx, CHECK_SECONDS)
    # These queries compare whole tables, while all other statements look rows up by key. Nested
    # loops are never right here, but a planner without statistics would choose them.
    await tx.execute(_WHOLE_TABLES)
    results = []
    for name, (what, query) in CHECKS.items():
        whose = query if marketplace_id is None else _ANY.sub("%(marketplace)s", query)
        rows = await tx.fetch(whose + _SHAPE, {"marketplace": marketplace_id})
        compared = rows[0].compared
        offenders = [row.offender for row in rows if row.offender is not None]
        shown = ", ".join(offenders[:OFFENDERS_SHOWN])
        verdict = f"{len(offenders)} FAILED: {shown}" if offenders else "ok"
        noun = what if compared != 1 else what.removesuffix("s")
        results.append(
            Invariant(
                name=name, holds=not offenders, details=f"{compared} {noun} checked: {verdict}"
            )
        )
    return results


# The condition on the marketplace in each check. For one marketplace, it is replaced by a plain
# parameter, so that rows are found by index.
_ANY = re.compile(r"coalesce\(%\(marketplace\)s, [\w.]+\)")
_WHOLE_TABLES = """
select set_config(name, setting, true) from (values ('enable_seqscan', 'on'),
    ('enable_hashjoin', 'on'), ('enable_mergejoin', 'on'), ('enable_nestloop', 'off'))
    as settings (name, setting)
"""
# Every check defines `compared`, with the columns (offender, holds). The result has at least one
# row: (the number compared, an offender or null).
_SHAPE = """
select (select count(*) from compared) as compared, o.offender
from (select 1) as one
left join (select offender from compared where not holds order by offender limit 1000) as o
    on true
"""

CHECKS: Mapping[str, tuple[str, Any]] = {
    "I1 every asset sums to zero": (
        "assets",
        """
        with compared as (
            select marketplace_id || ' ' || asset as offender,
                   sum(available_change + reserved_change) = 0 as holds
            from entries where marketplace_id = coalesce(%(marketplace)s, marketplace_id)
            group by marketplace_id, asset
        )
        """,
    ),
    "I1 every transfer's entries sum to zero and are what its type says": (
        "transfers",
        """
        with lines as (
            select marketplace_id, transfer_id, account,
                   sum(available_change) as available, sum(reserved_change) as reserved
            from entries where marketplace_id = coalesce(%(marketplace)s, marketplace_id)
            group by marketplace_id, transfer_id, account
        ), per_transfer as (
            select marketplace_id, transfer_id as id, sum(available + reserved) as total
            from lines group by marketplace_id, transfer_id
        ), expected as (
            select t.marketplace_id, t.id, t.debit_account, t.credit_account,
                   case when t.type in (1, 3) then t.amount else 0 end as moved,
                   case when t.debit_account ~ '^(user|escrow):' then
                       case t.type when 2 then t.amount when 1 then 0 else -p.amount end
                   else 0 end as held
            from transfers t
            left join transfers p
                on p.marketplace_id = t.marketplace_id and p.id = t.pending_id
            where t.marketplace_id = coalesce(%(marketplace)s, t.marketplace_id)
        ), compared as (
            select e.id::text as offender,
                   coalesce(s.total, 0) = 0
                   and coalesce(d.available + d.reserved, 0) = -e.moved
                   and coalesce(d.reserved, 0) = e.held
                   and coalesce(c.available + c.reserved, 0) = e.moved
                   and coalesce(c.reserved, 0) = 0 as holds
            from expected e
            left join per_transfer s on s.marketplace_id = e.marketplace_id and s.id = e.id
            left join lines d on d.marketplace_id = e.marketplace_id and d.transfer_id = e.id
                and d.account = e.debit_account
            left join lines c on c.marketplace_id = e.marketplace_id and c.transfer_id = e.id
                and c.account = e.credit_account
        )
        """,
    ),
    "I2 no user or escrow is overdrawn, and figures are the sums of entries": (
        "accounts",
        """
        with sums as (
            select marketplace_id, asset, account as name, sum(available_change) as available,
                   sum(reserved_change) as reserved
            from entries where marketplace_id = coalesce(%(marketplace)s, marketplace_id)
            group by marketplace_id, asset, account
        ), compared as (
            select a.marketplace_id || ' ' || a.asset || ' ' || a.name as offender,
                   a.credits - a.debits - a.holds >= 0 and a.holds >= 0
                   and a.credits - a.debits - a.holds = coalesce(s.available, 0)
                   and a.holds = coalesce(s.reserved, 0) as holds
            from accounts a left join sums s using (marketplace_id, asset, name)
            where a.kind in ('user', 'escrow')
                and a.marketplace_id = coalesce(%(marketplace)s, a.marketplace_id)
        )
        """,
    ),
    "I2 no platform takes more of its fees than it has earned": (
        "assets",
        """
        with taken as (
            select h.marketplace_id, h.asset, sum(h.amount) as amount
            from transfers h left join transfers r
                on r.marketplace_id = h.marketplace_id and r.pending_id = h.id
            where h.debit_account = 'fees:platform' and h.type = 2 and r.id is null
                and h.marketplace_id = coalesce(%(marketplace)s, h.marketplace_id)
            group by h.marketplace_id, h.asset
        ), earned as (
            select marketplace_id, asset, sum(available_change) as amount
            from entries where account = 'fees:platform'
                and marketplace_id = coalesce(%(marketplace)s, marketplace_id)
            group by marketplace_id, asset
        ), compared as (
            select marketplace_id || ' ' || asset as offender,
                   coalesce(e.amount, 0) >= coalesce(t.amount, 0) as holds
            from earned e full join taken t using (marketplace_id, asset)
        )
        """,
    ),
    "I3 what is reserved is the sum of open holds": (
        "accounts",
        """
        with open_holds as (
            select p.marketplace_id, p.asset, p.debit_account as name, sum(p.amount) as total
            from transfers p
            where p.type = 2
                and p.marketplace_id = coalesce(%(marketplace)s, p.marketplace_id)
                and not exists (
                    select from transfers r
                    where r.marketplace_id = p.marketplace_id and r.pending_id = p.id
                )
            group by p.marketplace_id, p.asset, p.debit_account
        ), compared as (
            select a.marketplace_id || ' ' || a.asset || ' ' || a.name as offender,
                   a.holds = coalesce(h.total, 0) as holds
            from accounts a left join open_holds h using (marketplace_id, asset, name)
            where a.kind in ('user', 'escrow')
                and a.marketplace_id = coalesce(%(marketplace)s, a.marketplace_id)
        )
        """,
    ),
    "I4 every hold is resolved at most once, up to its amount": (
        "holds",
        """
        with compared as (
            select p.id::text as offender,
                   count(r.id) <= 1 and coalesce(max(r.amount), 0) <= p.amount as holds
            from transfers p
            left join transfers r on r.marketplace_id = p.marketplace_id and r.pending_id = p.id
            where p.type = 2
                and p.marketplace_id = coalesce(%(marketplace)s, p.marketplace_id)
            group by p.marketplace_id, p.id, p.amount
        )
        """,
    ),
    "I4 no hold was made that its order's cancellation barred": (
        "barred holds",
        """
        with compared as (
            select b.hold_id::text as offender, t.id is null as holds
            from barred_holds b
            left join transfers t on t.marketplace_id = b.marketplace_id and t.id = b.hold_id
                and t.type = 2
            where b.marketplace_id = coalesce(%(marketplace)s, b.marketplace_id)
        )
        """,
    ),
    "I5 statements have no gap and their running figures add up": (
        "accounts",
        """
        with lines as (
            select marketplace_id, asset, account, version, available_after, reserved_after,
                   available_change, reserved_change, row_number() over account as place,
                   sum(available_change) over account as available,
                   sum(reserved_change) over account as reserved
            from entries where version is not null
                and marketplace_id = coalesce(%(marketplace)s, marketplace_id)
            window account as (partition by marketplace_id, asset, account order by version)
        ), compared as (
            select l.marketplace_id || ' ' || l.asset || ' ' || l.account as offender,
                   bool_and(l.version = l.place and l.available_after = l.available
                            and l.reserved_after = l.reserved)
                   and max(l.version) = max(a.version) as holds
            from lines l join accounts a on a.marketplace_id = l.marketplace_id
                and a.asset = l.asset and a.name = l.account
            group by l.marketplace_id, l.asset, l.account
        )
        """,
    ),
    "I6 every line of a user's statement has its event, without a gap": (
        "accounts",
        """
        with events as (
            select marketplace_id, aggregate_id, count(*) as events, min(version) as first,
                   max(version) as last
            from outbox where aggregate_type = 'Balance'
                and marketplace_id = coalesce(%(marketplace)s, marketplace_id)
            group by marketplace_id, aggregate_id
        ), compared as (
            select a.marketplace_id || ' ' || a.asset || ' ' || a.name as offender,
                   a.version = coalesce(e.events, 0)
                   and (e.events is null or (e.first = 1 and e.last = a.version)) as holds
            from accounts a left join events e on e.marketplace_id = a.marketplace_id
                and e.aggregate_id =
                    a.public_id || case a.asset when 'USDC' then '' else ':' || a.asset end
            where a.kind = 'user'
                and a.marketplace_id = coalesce(%(marketplace)s, a.marketplace_id)
        )
        """,
    ),
}
