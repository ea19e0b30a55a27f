"""The SQL of the schema, statement by statement; migrations/ makes the tables.

Written out, and not composed: a batch of transfers is a handful of prepared statements whatever
its size. Arrays come in as columns and are joined by index look-ups (chassis.database.BY_INDEX).
"""

from collections.abc import Iterable
from uuid import UUID

# Locks what it returns, in the order of the key, whichever replica asks: so none waits in a ring.
# The accounts of holds that are to be resolved come with those named.
LOCK_ACCOUNTS = """
with asked as (
    select marketplace_id, asset, name
    from unnest(%s::uuid[], %s::text[], %s::text[]) as k (marketplace_id, asset, name)
    union
    select t.marketplace_id, t.asset, side.name
    from unnest(%s::uuid[], %s::uuid[]) as p (marketplace_id, id)
    join transfers t using (marketplace_id, id)
    cross join lateral (values (t.debit_account), (t.credit_account)) as side (name)
)
select a.marketplace_id, a.asset, a.name, a.public_id, a.credits, a.debits, a.holds, a.version
from asked join accounts a using (marketplace_id, asset, name)
where a.kind in ('user', 'escrow')
order by a.marketplace_id, a.asset, a.name
for no key update of a
"""

# The columns of a transfer, in the order that store.transfer_of reads them.
TRANSFER = """
t.id, t.type, t.code, t.debit_account, t.credit_account, t.asset, t.amount, t.pending_id,
t.order_id, t.transaction_hash, t.reason, t.at
"""
FIND_TRANSFERS = f"""
select t.marketplace_id, {TRANSFER}
from unnest(%s::uuid[], %s::uuid[]) as k (marketplace_id, id)
join transfers t using (marketplace_id, id)
"""  # noqa: S608 - joined from constants of this file
FIND_RESOLUTIONS = """
select t.marketplace_id, t.pending_id, t.type
from unnest(%s::uuid[], %s::uuid[]) as k (marketplace_id, pending_id)
join transfers t using (marketplace_id, pending_id)
"""
FIND_BARRED = """
select marketplace_id, hold_id
from unnest(%s::uuid[], %s::uuid[]) as k (marketplace_id, hold_id)
join barred_holds using (marketplace_id, hold_id)
"""
FIND_ANSWERS = """
select marketplace_id, scope, key, i.fingerprint, i.body
from unnest(%s::uuid[], %s::text[], %s::text[]) as k (marketplace_id, scope, key)
join idempotency i using (marketplace_id, scope, key)
where i.created_at >= now() - %s::interval
"""

FIND_DERIVED = """
select marketplace_id, asset, name
from unnest(%s::uuid[], %s::text[], %s::text[]) as k (marketplace_id, asset, name)
join accounts using (marketplace_id, asset, name)
"""

ADD_DERIVED = """
insert into accounts (marketplace_id, asset, name, opened_at)
select marketplace_id, asset, name, %s
from unnest(%s::uuid[], %s::text[], %s::text[]) as n (marketplace_id, asset, name)
on conflict do nothing
"""
ADD_ESCROWS = """
insert into accounts (marketplace_id, asset, name, credits, debits, holds, version, opened_at)
select marketplace_id, asset, name, credits, debits, holds, version, %s
from unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::bigint[])
    as n (marketplace_id, asset, name, credits, debits, holds, version)
"""
CHANGE_ACCOUNTS = """
update accounts a
set credits = n.credits, debits = n.debits, holds = n.holds, version = n.version
from unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::bigint[], %s::bigint[])
    as n (marketplace_id, asset, name, credits, debits, holds, version, stored_version)
where a.marketplace_id = n.marketplace_id and a.asset = n.asset and a.name = n.name
    and a.version = n.stored_version
"""
ADD_TRANSFERS = """
insert into transfers (marketplace_id, id, type, code, debit_account, credit_account, asset,
                       amount, pending_id, order_id, transaction_hash, reason, at)
select marketplace_id, id, type, code, debit_account, credit_account, asset, amount, pending_id,
       order_id, transaction_hash, reason, %s
from unnest(%s::uuid[], %s::uuid[], %s::smallint[], %s::smallint[], %s::text[], %s::text[],
            %s::text[], %s::bigint[], %s::uuid[], %s::uuid[], %s::text[], %s::text[])
    as n (marketplace_id, id, type, code, debit_account, credit_account, asset, amount,
          pending_id, order_id, transaction_hash, reason)
"""
ADD_ENTRIES = """
insert into entries (marketplace_id, asset, account, version, transfer_id, available_change,
                     reserved_change, available_after, reserved_after)
select marketplace_id, asset, account, version, transfer_id, available_change, reserved_change,
       available_after, reserved_after
from unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::uuid[], %s::bigint[],
            %s::bigint[], %s::bigint[], %s::bigint[])
    as n (marketplace_id, asset, account, version, transfer_id, available_change,
          reserved_change, available_after, reserved_after)
"""
ADD_BARRED = """
insert into barred_holds (marketplace_id, hold_id, order_id, reason, at)
select marketplace_id, hold_id, order_id, reason, %s
from unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[])
    as n (marketplace_id, hold_id, order_id, reason)
"""
FORGET_ANSWERS = """
delete from idempotency i
using unnest(%s::uuid[], %s::text[], %s::text[]) as k (marketplace_id, scope, key)
where i.marketplace_id = k.marketplace_id and i.scope = k.scope and i.key = k.key
    and i.created_at < now() - %s::interval
"""
KEEP_ANSWERS = """
insert into idempotency (marketplace_id, scope, key, fingerprint, state, body, created_at)
select n.marketplace_id, n.scope, n.key, n.fingerprint, 'done', n.body, now()
from unnest(%s::uuid[], %s::text[], %s::text[], %s::bytea[], %s::bytea[])
    as n (marketplace_id, scope, key, fingerprint, body)
"""

OPEN_ACCOUNT = """
insert into accounts (marketplace_id, asset, name, public_id, opened_at)
values (%s, %s, %s, %s, %s)
on conflict do nothing
"""
FIND_ACCOUNT = """
select public_id, asset, credits - debits - holds, holds from accounts
where marketplace_id = %s and asset = %s and name = %s
"""
FIND_TRANSFER = f"""
select {TRANSFER} from transfers t where marketplace_id = %s and id = %s
"""  # noqa: S608 - joined from constants of this file
LIST_TRANSFERS = f"""
select {TRANSFER} from transfers t
where marketplace_id = %s and order_id = %s order by number
"""  # noqa: S608 - joined from constants of this file
# Reads all holds of a marketplace: for operators, not for requests.
LIST_OPEN_HOLDS = f"""
select {TRANSFER}, t.number from transfers t
where t.marketplace_id = %s and t.type = 2 and t.number > %s and not exists (
    select from transfers r
    where r.marketplace_id = t.marketplace_id and r.pending_id = t.id
)
order by t.number limit %s
"""  # noqa: S608 - joined from constants of this file
LIST_ENTRIES = f"""
select {TRANSFER}, e.version, e.available_change, e.reserved_change, e.available_after,
       e.reserved_after
from entries e
join transfers t on t.marketplace_id = e.marketplace_id and t.id = e.transfer_id
where e.marketplace_id = %s and e.asset = %s and e.account = %s and e.version < %s
order by e.version desc limit %s
"""  # noqa: S608 - joined from constants of this file
# The figures of derived accounts are the sums of their lines. `offset 0` keeps the planner from
# putting the sum where a balance is named, twice a row.
NAMED_ACCOUNTS = """
select number, name, asset, credits - debits from accounts
where marketplace_id = %s and asset = %s and name = any(%s::text[])
"""
LIST_ACCOUNTS = """
select a.number, a.name, a.asset, b.balance
from accounts a
cross join lateral (
    select case when a.kind = 'escrow' then a.credits - a.debits else coalesce((
        select sum(e.available_change) from entries e
        where e.marketplace_id = a.marketplace_id and e.asset = a.asset and e.account = a.name
    ), 0)::bigint end as balance
    offset 0
) as b
where a.marketplace_id = %s and a.kind <> 'user' and a.number > %s
    and (b.balance <> 0 or not %s)
order by a.number limit %s
"""

ADD_SUSPENSE = """
insert into suspense (marketplace_id, transfer_id, user_id, memo) values (%s, %s, %s, %s)
on conflict do nothing
"""
_SUSPENSE = f"""
select {TRANSFER}, s.number, s.user_id, s.memo, s.credited_by
from suspense s
join transfers t on t.marketplace_id = s.marketplace_id and t.id = s.transfer_id
"""  # noqa: S608 - joined from constants of this file
LOCK_SUSPENSE = f"""
{_SUSPENSE} where s.marketplace_id = %s and s.transfer_id = %s for update of s
"""
LIST_SUSPENSE = f"""
{_SUSPENSE} where s.marketplace_id = %s and s.number > %s and (s.credited_by is null or not %s)
order by s.number limit %s
"""
CREDIT_SUSPENSE = """
update suspense set credited_by = %s where marketplace_id = %s and transfer_id = %s
"""

ADD_CORRECTION = """
insert into corrections (marketplace_id, id, debit_account, credit_account, asset, amount, reason,
                         evidence_hash, settles, order_id, transaction_hash, proposed_by,
                         expires_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now() + %s)
"""
# A proposal runs out by the database's clock.
_CORRECTION = """
select c.number, c.id, c.debit_account, c.credit_account, c.asset, c.amount, c.reason,
       c.evidence_hash, c.settles, c.order_id, c.transaction_hash, c.proposed_by, c.proposed_at,
       c.expires_at, d.verdict, d.decided_by, d.decided_at, d.transfer_id,
       d.verdict is null and c.expires_at <= now() as is_expired
from corrections c
left join correction_decisions d on d.marketplace_id = c.marketplace_id and d.correction_id = c.id
"""
FIND_CORRECTION = f"{_CORRECTION} where c.marketplace_id = %s and c.id = %s"
LIST_CORRECTIONS = f"""
{_CORRECTION} where c.marketplace_id = %s and c.number > %s
    and (not %s or (d.verdict is null and c.expires_at > now()))
order by c.number limit %s
"""
# Who comes second waits for the first to commit, and then adds nothing.
DECIDE_CORRECTION = """
insert into correction_decisions
    (marketplace_id, correction_id, proposed_by, verdict, decided_by, transfer_id)
values (%s, %s, %s, %s, %s, %s)
on conflict (marketplace_id, correction_id) do nothing
"""
LOOK_AT_ACCOUNT = """
select exists (
    select from accounts where marketplace_id = %s and asset = %s and name = %s
), %s <= now()
"""
HAS_ACCOUNT = "select 1 from accounts where marketplace_id = %s and asset = %s and name = %s"


# Arrays are spelled here as Postgres reads them: ten times quicker than the driver, item by item,
# and always of one type, so that a statement has one plan.


def ids(values: Iterable[UUID | None]) -> str:
    """Spell an array of UUIDs."""
    return "{" + ",".join(["NULL" if value is None else value.hex for value in values]) + "}"


def numbers(values: Iterable[int | None]) -> str:
    """Spell an array of numbers; an enum's member is its number."""
    return "{" + ",".join(["NULL" if value is None else str(int(value)) for value in values]) + "}"


def texts(values: Iterable[str]) -> str:
    """Spell an array of any texts."""
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"
