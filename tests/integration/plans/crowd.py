"""A database that grew while nobody counted: many rows, and statistics of when it was empty.

One marketplace has nearly everything, as a large one among small ones does. Rows are written past
the triggers and foreign keys; they are what the services would have written, as far as reads see.
"""

import uuid
from dataclasses import dataclass

import psycopg
from stellar_sdk import StrKey

from tests.integration.plans.crowd_of_lists import STATEMENTS

SCHEMAS = ("orders", "ledger", "escrow", "disputes", "webhooks")
ORDERS = 4_000
USERS = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What the rows are about. order_id, …: one in the middle of all."""

    marketplace_id: uuid.UUID
    buyer_id: uuid.UUID
    seller_id: uuid.UUID
    order_id: uuid.UUID
    dispute_id: uuid.UUID
    command_id: uuid.UUID
    transfer_id: uuid.UUID


def forget_statistics(url: str) -> None:
    """Let the planner know of every table that it is empty, and never learn otherwise."""
    with psycopg.connect(url, autocommit=True) as connection:
        for schema, table in _tables(connection):
            name = psycopg.sql.Identifier(schema, table)
            off = psycopg.sql.SQL("alter table {} set (autovacuum_enabled = off)").format(name)
            connection.execute(off)
            connection.execute(psycopg.sql.SQL("vacuum analyze {}").format(name))


def count(url: str) -> int:
    """Count the rows of every table."""
    with psycopg.connect(url, autocommit=True) as connection:
        return sum(
            connection.execute(
                psycopg.sql.SQL("select count(*) from {}").format(
                    psycopg.sql.Identifier(schema, table)
                )
            ).fetchall()[0][0]
            for schema, table in _tables(connection)
        )


def analyze(url: str) -> None:
    """Give the planner true statistics."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def fill(url: str) -> Crowd:
    """Write the crowd; returns what it is about."""
    marketplace, namespace = uuid.uuid4(), uuid.uuid4().hex[:8]
    with psycopg.connect(url) as connection:
        connection.execute("set local session_replication_role = replica")
        connection.execute(_PEOPLE, {"m": marketplace, "n": USERS, "name": namespace})
        connection.execute(_TRADES, {"n": ORDERS, "users": USERS})
        addresses = [StrKey.encode_ed25519_public_key(uuid.uuid4().bytes * 2) for _ in range(USERS)]
        contracts = [StrKey.encode_contract(uuid.uuid4().bytes * 2) for _ in range(ORDERS)]
        connection.execute(_ADDRESSES, {"wallets": addresses, "contracts": contracts})
        for statement in (_ORDERS, _LEDGER, _ESCROW, _DISPUTES, _OUTBOXES, *STATEMENTS):
            connection.execute(statement)
        [row] = connection.execute(_MIDDLE, {"middle": ORDERS // 2}).fetchall()
    return Crowd(marketplace_id=marketplace, **dict(zip(_NAMES, row, strict=True)))


def let_run(url: str) -> None:
    """Let an operation and a command run in some other process, and a count be due."""
    with psycopg.connect(url) as connection:
        connection.execute("set local session_replication_role = replica")
        connection.execute(_RUNNING)


def _tables(connection: psycopg.Connection[tuple[str, str]]) -> list[tuple[str, str]]:
    found = connection.execute(
        "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 1, 2",
        (list(SCHEMAS),),
    )
    return found.fetchall()


_PEOPLE = """
create temp table people on commit drop as
select i, %(m)s::uuid as m, uuidv7() as id, 'usr_' || %(name)s || i as public_id,
       now() - make_interval(mins => i) as at
from generate_series(0, %(n)s - 1) as i
"""
# Every order has been paid; some wait for the seller, some are disputed, most have ended.
_TRADES = """
create temp table trades on commit drop as
select g.i, b.m, uuidv7() as id, uuidv7() as escrow_id, uuidv7() as dispute_id,
       uuidv7() as operation_id, b.id as buyer, b.public_id as buyer_name, s.id as seller,
       s.public_id as seller_name, now() - make_interval(secs => %(n)s - g.i) as at, kind
from generate_series(0, %(n)s - 1) as g (i)
join people b on b.i = g.i %% (%(users)s / 2)
join people s on s.i = %(users)s / 2 + g.i %% (%(users)s / 2)
cross join lateral (values (
    case when g.i %% 50 = 0 then 'open' when g.i %% 51 = 0 then 'disputed' else 'ended' end
)) as k (kind)
"""
_ADDRESSES = """
create temp table addresses on commit drop as
select 'wallet' as what, n - 1 as i, address
from unnest(%(wallets)s::text[]) with ordinality as w (address, n)
union all
select 'contract', n - 1, address
from unnest(%(contracts)s::text[]) with ordinality as c (address, n)
"""
_ORDERS = """
insert into orders.users (marketplace_id, id, public_id, external_user_id, type, provisioned_at,
                          created_at)
select m, id, public_id, 'their-' || public_id, 'BOTH', at, at from people;
insert into orders.orders (marketplace_id, id, buyer_id, buyer_public_id, seller_id,
    seller_public_id, asset, currency, amount, title, description, state, final_status, origin,
    client_order_ref, platform_fee_bps, platform_fee, escrow_id, dispute_id, dispute_opened_by,
    dispute_reason, dispute_opened_at, version, created_at, updated_at, closed_at)
select m, id, buyer, buyer_name, seller, seller_name, 'USDC', 'USDC', 800000000, 'Logo', 'A logo',
       case kind when 'open' then 'IN_PROGRESS' when 'disputed' then 'DISPUTED' else 'CLOSED' end,
       case kind when 'ended' then 'RELEASED' end, 'MARKETPLACE', 'ref-' || i, 0, 0, escrow_id,
       case kind when 'disputed' then dispute_id end, case kind when 'disputed' then 'BUYER' end,
       case kind when 'disputed' then 'OTHER' end, case kind when 'disputed' then at end, 6, at,
       at, case kind when 'ended' then at end
from trades order by i;
insert into orders.words (marketplace_id, word, order_id)
select m, word, id from trades cross join (values ('a'), ('logo')) as w (word) order by 1, 2, 3;
insert into orders.party_totals (marketplace_id, user_id, is_seller, status, total)
select marketplace_id, buyer_id, false, party_status, count(*) from orders.orders group by 1, 2, 4
union all
select marketplace_id, seller_id, true, party_status, count(*) from orders.orders group by 1, 2, 4;
insert into orders.operations (id, marketplace_id, order_id, kind, state, scope, key, fingerprint,
    context, actor, request_id, lease_until, lease_epoch, started_at, finished_at)
select case k.kind when 'RESERVE' then operation_id else uuidv7() end, m, id, k.kind, 'succeeded',
       '', id || k.kind, '', '{}', 'key:test', 'r', at, 1, at, at
from trades cross join (values ('RESERVE'), ('CREATE_ESCROW'), ('FUND_ESCROW')) as k (kind);
insert into orders.idempotency (marketplace_id, scope, key, fingerprint, state, body, created_at)
select m, '', id || k::text, '', 'done', 'answer', at from trades, generate_series(1, 2) as k
"""
_RUNNING = """
update orders.operations set state = 'running', lease_until = 'infinity', finished_at = null
where ctid = (select ctid from orders.operations limit 1)
    and not exists (select from orders.operations where state = 'running');
update escrow.commands set state = 'RUNNING', lease_until = 'infinity', finished_at = null
where ctid = (select ctid from escrow.commands limit 1)
    and not exists (select from escrow.commands where state = 'RUNNING');
insert into orders.party_changes (marketplace_id, user_id, is_seller, status, change)
select marketplace_id, buyer_id, false, party_status, 0 from orders.orders
where not exists (select from orders.party_changes) limit 1
"""
# Of each order: a deposit, a hold, its posting, and for those that ended the release.
_LEDGER = """
insert into ledger.accounts (marketplace_id, asset, name, public_id, credits, version, opened_at)
select m, 'USDC', 'user:' || id, public_id, 800000000::bigint * 100, 1000, at from people;
insert into ledger.accounts (marketplace_id, asset, name, opened_at)
select distinct m, 'USDC', name, now()
from people cross join (values ('external:stellar'), ('fees'), ('suspense')) as d (name);
insert into ledger.accounts (marketplace_id, asset, name, credits, debits, version, opened_at)
select m, 'USDC', 'escrow:' || id, 800000000, case kind when 'ended' then 800000000 else 0 end,
       case kind when 'ended' then 2 else 1 end, at
from trades order by i;
create temp table moves on commit drop as
select t.i, t.m, t.id as order_id, t.at, k.n, uuidv7() as id,
       k.type, k.code, case k.n when 1 then 'external:stellar' when 4 then 'escrow:' || t.id
           when 5 then 'external:stellar' else 'user:' || t.buyer end as debit,
       case k.n when 1 then 'user:' || t.buyer when 4 then 'user:' || t.seller
           when 5 then 'suspense' else 'escrow:' || t.id end as credit
from trades t
join (values (1, 1, 1), (2, 2, 2), (3, 3, 3), (4, 1, 4), (5, 1, 1)) as k (n, type, code)
    on case k.n when 4 then t.kind = 'ended' when 5 then t.i % 20 = 0 else true end;
insert into ledger.transfers (marketplace_id, id, type, code, asset, debit_account, credit_account,
    amount, pending_id, order_id, transaction_hash, reason, at)
select v.m, v.id, v.type, v.code, 'USDC', v.debit, v.credit, 800000000,
       case v.n when 3 then h.id end, v.order_id, '', '', v.at
from moves v left join moves h on v.n = 3 and h.i = v.i and h.n = 2 order by v.at, v.n;
insert into ledger.entries (marketplace_id, asset, account, version, transfer_id, available_change,
    reserved_change, available_after, reserved_after)
select m, 'USDC', account, case when is_derived then null else
           row_number() over (partition by account order by at, n) end, id, change, 0,
       case when is_derived then null else 1 end, case when is_derived then null else 0 end
from (
    select m, debit as account, id, at, n, -800000000 as change from moves
    union all select m, credit, id, at, n, 800000000 from moves
) as lines
cross join lateral (values (account !~ '^(user|escrow):')) as d (is_derived) order by at, n;
insert into ledger.suspense (marketplace_id, transfer_id, memo, credited_by)
select m, id, '', case when i % 200 = 0 then null else id end from moves where n = 5 order by i;
insert into ledger.inbox (consumer, event_id) select 'deposits', uuidv7() from trades;
insert into ledger.idempotency (marketplace_id, scope, key, fingerprint, state, body, created_at)
select m, '', id || k::text, '', 'done', 'answer', at from trades, generate_series(1, 2) as k
"""
_ESCROW = """
insert into escrow.wallets (marketplace_id, id, user_id, user_public_id, address, sealed, state,
                            created_at)
select m, id, id, public_id, address, '{}', 'ACTIVE', at
from people join addresses using (i) where what = 'wallet';
insert into escrow.escrows (marketplace_id, id, order_id, contract_id, wasm_hash, buyer_wallet_id,
    seller_wallet_id, amount, title, description, milestones, platform_fee_bps, state, created_at,
    funded_at, closed_at)
select m, escrow_id, id, address, 'hash', buyer, seller, 800000000, 'Logo', 'A logo',
       array['All of it'], 0, case kind when 'ended' then 'RELEASED' when 'disputed' then 'DISPUTED'
           else 'FUNDED' end, at, at, case kind when 'ended' then at end
from trades join addresses using (i) where what = 'contract' order by i;
create temp table work on commit drop as
select t.i, t.m, t.escrow_id, t.at, t.operation_id, uuidv7() as id, k.kind
from trades t join (values ('CREATE'), ('FUND'), ('RELEASE')) as k (kind)
    on k.kind <> 'RELEASE' or t.kind = 'ended';
insert into escrow.commands (marketplace_id, id, kind, state, escrow_id, correlation_id,
                             created_at, finished_at)
select m, case kind when 'CREATE' then operation_id else id end, kind, 'SUCCEEDED', escrow_id, 'r',
       at, at from work;
create temp table chores on commit drop as
select w.i, w.m, case kind when 'CREATE' then operation_id else w.id end as command_id, w.at,
       p.position, uuidv7() as id
from work w cross join generate_series(0, 1) as p (position);
insert into escrow.steps (id, marketplace_id, command_id, position, name, terms, state)
select id, m, command_id, position, 'PAY', '{}', 'SUCCEEDED' from chores;
insert into escrow.attempts (hash, step_id, number, source, sequence, envelope_xdr, max_time,
    auth_expires_ledger, max_fee, network, prepared_at_ledger, state, ledger, created_at)
select encode(sha256(id::text::bytea), 'hex'), id, 1, 'G', row_number() over (), 'AAAA', 0, 0, 0,
       'n', 1, 'SUCCEEDED', 2, at from chores;
insert into escrow.payments (transaction_hash, event_index, step_id, payee, from_address,
                             to_address, minor_units, is_absorbed_fee)
select encode(sha256(id::text::bytea), 'hex'), 0, id, 'SELLER', 'C', 'G', 1, false from chores;
insert into escrow.deposits (id, marketplace_id, wallet_id, event_id, transaction_hash, ledger,
                             from_address, memo, minor_units, created_at)
select uuidv7(), m, buyer, 'event-' || i, 'hash', 1, 'G', '', 800000000, at from trades;
insert into escrow.idempotency (marketplace_id, scope, key, fingerprint, state, body, created_at)
select m, '', id || k::text, '', 'done', 'answer', at from trades, generate_series(1, 2) as k
"""
_DISPUTES = """
insert into disputes.disputes (marketplace_id, id, order_id, status, opened_by, reason, description,
    evidence, contract_snapshot_json, asset, minor_units, assigned_to, assignment_notes, version,
    created_at, updated_at, resolved_at, buyer_id, seller_id, first_answer_due_at, decision_due_at,
    overdue_told, untold_due_at, overdue_since)
select m, dispute_id, id, case kind when 'ended' then 'RESOLVED' else 'OPEN' end, 'BUYER', 'OTHER',
       'It is late', '{}', '{}', 'USDC', 800000000,
       case kind when 'ended' then 'agent-often' else '' end, '', 1, at, at,
       case kind when 'ended' then at end, buyer, seller, at, now() + interval '7 days',
       array['FIRST_ANSWER'], case kind when 'ended' then null else now() + interval '7 days' end,
       case kind when 'ended' then null else at end
from trades order by i;
insert into disputes.rulings (marketplace_id, dispute_id, decision, release_minor_units,
                              refund_minor_units, note, resolved_by, decided_at)
select m, dispute_id, 'FULL_RELEASE', 800000000, 0, '', 'agent', at
from trades where kind = 'ended';
insert into disputes.idempotency (marketplace_id, scope, key, fingerprint, state, body, created_at)
select m, '', id || k::text, '', 'done', 'answer', at from trades, generate_series(1, 2) as k
"""
_OUTBOXES = """
create temp table told on commit drop as
select m, id, at, v from trades, generate_series(1, 5) as v;
insert into orders.outbox (event_id, marketplace_id, event_type, aggregate_type, aggregate_id,
                           version, occurred_at, correlation_id, body)
select uuidv7(), m, 'order.created', 'Order', 'ord_' || id, v, at, '', '{}' from told;
insert into ledger.outbox (event_id, marketplace_id, event_type, aggregate_type, aggregate_id,
                           version, occurred_at, correlation_id, body)
select uuidv7(), m, 'balance.changed', 'Balance', id, v, at, '', '{}' from told;
insert into escrow.outbox (event_id, marketplace_id, event_type, aggregate_type, aggregate_id,
                           version, occurred_at, correlation_id, body)
select uuidv7(), m, 'escrow.funded', 'Escrow', id, v, at, '', '{}' from told;
insert into disputes.outbox (event_id, marketplace_id, event_type, aggregate_type, aggregate_id,
                             version, occurred_at, correlation_id, body)
select uuidv7(), m, 'dispute.opened', 'Dispute', id, v, at, '', '{}' from told where v = 1;
update orders.outbox_published
set ids = (select range_agg(int8range(id, id + 1)) from orders.outbox);
update ledger.outbox_published
set ids = (select range_agg(int8range(id, id + 1)) from ledger.outbox);
update escrow.outbox_published
set ids = (select range_agg(int8range(id, id + 1)) from escrow.outbox);
update disputes.outbox_published
set ids = (select range_agg(int8range(id, id + 1)) from disputes.outbox)
"""
_MIDDLE = """
select t.buyer, t.seller, t.id, t.dispute_id, t.operation_id,
       (select id from moves where i = t.i and n = 1)
from trades t where i = %(middle)s
"""
_NAMES = ("buyer_id", "seller_id", "order_id", "dispute_id", "command_id", "transfer_id")
