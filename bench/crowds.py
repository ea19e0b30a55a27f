"""The data for measurements of lists: rows of a marketplace, written to the database directly.

Each kind has values that few rows share, values that nearly all rows share, and pairs of filters
that no row fulfils. Nothing is measured here.
"""

import psycopg

# The users that are registered through the API; all others are written to the database.
SELDOM, OFTEN, SHOP = "usr_seldom", "usr_often", "usr_shop"
# The one webhook, which is disabled so that nothing is sent.
WEBHOOK = "0197b9c8-0000-7000-8000-000000000001"


def write(database_url: str, marketplace_id: str, orders: int) -> None:
    """Write the rows of this many orders past triggers and foreign keys, with parties' counts."""
    values = {"marketplace_id": marketplace_id, "n": orders, "webhook": WEBHOOK}
    with psycopg.connect(database_url) as connection:
        connection.execute("set local session_replication_role = replica")
        connection.execute("set local timezone = 'UTC'")
        for statement in _STATEMENTS:
            connection.execute(statement, values)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


# One order a minute until the end of June, in the order of their ids: 1 of 100 is disputed, 3 are
# in progress; usr_seldom buys 1 of 500.
_ORDERS = """
insert into orders.orders (marketplace_id, id, buyer_id, buyer_public_id, seller_id,
    seller_public_id, asset, currency, amount, title, description, state, final_status, origin,
    client_order_ref, platform_fee_bps, platform_fee, version, created_at, updated_at, closed_at)
select b.marketplace_id, uuidv7(t.at - now()), b.id, b.public_id, s.id, s.public_id, 'USDC', 'USD',
       (1 + i * 7919::bigint %% 500000) * 100000, 'Report', '', k.state,
       case k.state when 'CLOSED' then 'RELEASED' end, 'MARKETPLACE', 'ref-' || i, 0, 0, 1, t.at,
       t.at, case k.state when 'CLOSED' then t.at end
from generate_series(1, %(n)s) as i
cross join lateral (
    values ('2026-07-01Z'::timestamptz - make_interval(mins => %(n)s - i))
) as t (at)
cross join lateral (
    values (case when i %% 100 = 0 then 'DISPUTED' when i %% 100 < 4 then 'IN_PROGRESS'
            else 'CLOSED' end)
) as k (state)
join orders.users b on b.marketplace_id = %(marketplace_id)s
    and b.public_id = case i %% 500 when 0 then 'usr_seldom' else 'usr_often' end
join orders.users s on s.marketplace_id = b.marketplace_id and s.public_id = 'usr_shop'
"""
# Every title is "Report"; 1 of 500 orders is indexed as if it had a second word.
_WORDS = """
insert into orders.words (marketplace_id, word, order_id)
select marketplace_id, word, id
from orders.orders cross join (values ('report'), ('seldom')) as w (word)
where marketplace_id = %(marketplace_id)s and (word = 'report' or buyer_public_id = 'usr_seldom')
order by 1, 2, 3
"""
# The counts that the triggers would have made.
_TOTALS = """
insert into orders.party_changes (marketplace_id, user_id, is_seller, status, change)
select marketplace_id, buyer_id, false, party_status, count(*) from orders.orders
where marketplace_id = %(marketplace_id)s group by 1, 2, 4
union all
select marketplace_id, seller_id, true, party_status, count(*) from orders.orders
where marketplace_id = %(marketplace_id)s group by 1, 2, 4
"""
# As many users as orders; 1 of 100 shares a mail address.
_USERS = """
insert into orders.users (marketplace_id, id, public_id, external_user_id, email, type,
                          provisioned_at, created_at)
select %(marketplace_id)s, uuidv7(at - now()), 'usr_n' || i, 'theirs-' || i,
       case i %% 100 when 0 then 'shared@shop.example' else 'user-' || i || '@shop.example' end,
       'BOTH', at, at
from generate_series(1, %(n)s) as i
cross join lateral (
    values ('2026-07-01Z'::timestamptz - make_interval(mins => %(n)s - i))
) as t (at)
"""
# 1 of 10 orders was disputed once. No open dispute belongs to a seller or an agent; agent-often has
# none of a seller. 1 of 10 open ones is overdue.
_DISPUTES = """
insert into disputes.disputes (marketplace_id, id, order_id, status, opened_by, reason, description,
    evidence, contract_snapshot_json, asset, minor_units, assigned_to, assignment_notes, version,
    created_at, updated_at, resolved_at, buyer_id, seller_id, overdue_since)
select marketplace_id, uuidv7(created_at - now()), id, k.status,
       case i %% 500 when 10 then 'SELLER' else 'BUYER' end, 'OTHER', 'It is late', '{}', '{}',
       'USDC', amount,
       case when k.status = 'OPEN' then '' when i %% 500 = 10 then 'agent-seldom'
            else 'agent-often' end,
       '', 1, created_at, created_at, case k.status when 'RESOLVED' then created_at end, buyer_id,
       seller_id, case when i %% 1000 = 0 then created_at end
from orders.orders
cross join lateral (values (substr(client_order_ref, 5)::integer)) as n (i)
cross join lateral (values (case i %% 100 when 0 then 'OPEN' else 'RESOLVED' end)) as k (status)
where marketplace_id = %(marketplace_id)s and i %% 10 = 0
"""
# One of 10 orders was withdrawn; 1 of 100 withdrawals failed, all of them usr_seldom's. The
# platform takes its fees 100 times.
_WITHDRAWALS = """
insert into orders.withdrawals (marketplace_id, id, user_id, user_public_id, asset, amount,
    destination, reference, state, in_progress, is_turned_down, commits, version, created_at,
    committed_at, finished_at, transaction_hash, failure_reason, failure_message, scope, key,
    fingerprint, request_id, lease_until, lease_epoch)
select %(marketplace_id)s, uuidv7(at - now()),
       coalesce(u.id, '7a15584c-4b81-139e-e0da-333e19040495'), coalesce(u.public_id, 'platform'),
       'USDC', 100000, 'GBRPYHIL2CI3FNQ4BXLFMNDLFJUNPU2HY3ZMFSHONUCEOASW7QC7OX2H',
       case i %% 2 when 0 then 'payout' else 'wd-' || i end, k.state, false, false, 1, 1, at, at,
       at, case k.state when 'COMPLETED' then repeat('0', 64) else '' end,
       case k.state when 'FAILED' then 'PAYOUT_NOT_POSSIBLE' else '' end, '', '', '', '', '', at, 1
from generate_series(1, greatest(%(n)s / 10, 200)) as i
cross join lateral (
    values ('2026-07-01Z'::timestamptz - make_interval(mins => %(n)s - i))
) as t (at)
cross join lateral (values (case i %% 100 when 0 then 'FAILED' else 'COMPLETED' end)) as k (state)
left join orders.users u on u.marketplace_id = %(marketplace_id)s and i > 100
    and u.public_id = case i %% 100 when 0 then 'usr_seldom' else 'usr_often' end
"""
# A deposit for each order, 1 of 500 usr_seldom's, and a fee.
_LEDGER = """
create temp table paid on commit drop as
select t.n, uuidv7() as id, u.id as user_id, o.id as order_id, t.kind,
       row_number() over (partition by u.id, t.kind order by o.id) as version
from orders.orders o
join orders.users u on u.marketplace_id = o.marketplace_id and u.id = o.buyer_id
cross join (values (1, 'deposit'), (2, 'fee')) as t (n, kind)
where o.marketplace_id = %(marketplace_id)s;
insert into ledger.transfers (marketplace_id, id, type, code, asset, debit_account, credit_account,
                              amount, order_id, transaction_hash, reason, at)
select %(marketplace_id)s, id, 1, case kind when 'deposit' then 1 else 10 end, 'USDC',
       case kind when 'deposit' then 'external:stellar' else 'user:' || user_id end,
       case kind when 'deposit' then 'user:' || user_id else 'fees:platform' end, 1000,
       case kind when 'fee' then order_id end, '', '', now()
from paid order by order_id, n;
insert into ledger.entries (marketplace_id, asset, account, version, transfer_id, available_change,
                            reserved_change, available_after, reserved_after)
select %(marketplace_id)s, 'USDC', 'user:' || user_id, version + 1000, id, 1000, 0, 1000, 0
from paid where kind = 'deposit' order by order_id;
insert into ledger.entries (marketplace_id, asset, account, transfer_id, available_change,
                            reserved_change)
select %(marketplace_id)s, 'USDC', 'fees:platform', id, 1000, 0
from paid where kind = 'fee' order by order_id
"""
# Two events of each order within 29 days; usr_often has none of a user's registration.
_EVENTS = """
insert into webhooks.events (marketplace_id, id, type, aggregate_type, aggregate_id, occurred_at,
                             body, recorded_at)
select o.marketplace_id, uuidv7()::text, k.type, k.kind,
       case k.kind when 'Order' then o.client_order_ref else o.buyer_public_id end, m.at,
       '{"eventType": "' || k.type || '"}', now()
from orders.orders o
cross join lateral (values (
    now() - interval '29 days' * (1 - substr(client_order_ref, 5)::float / %(n)s)
)) as m (at)
cross join (values ('Order', 'order.created'), ('Balance', 'balance.credited')) as k (kind, type)
where o.marketplace_id = %(marketplace_id)s order by o.id
"""
_DELIVERIES = """
insert into webhooks.webhooks (marketplace_id, id, url, event_types, description, disabled_why,
                               disabled_at, secret_number, version, created_at, updated_at)
values (%(marketplace_id)s, %(webhook)s, 'https://shop.example/hook', '{*}', '', 'REQUESTED', now(),
        1, 1, now(), now());
insert into webhooks.deliveries (marketplace_id, id, webhook_id, event_id, event_type,
    aggregate_type, aggregate_id, body, state, attempts, due_at, lease_until, lease_epoch,
    created_at, finished_at)
select %(marketplace_id)s, uuidv7(), %(webhook)s, uuidv7()::text, 'order.created', 'Order',
       'ord_' || i, '{}', 'DELIVERED', 1, now(), 'epoch', 1, now(), now()
from generate_series(1, %(n)s) as i
"""
# A line for each order; 1 of 500 is by another key, and only that key cancels.
_AUDIT = """
insert into orders.audit (marketplace_id, id, actor, role, action, target_type, target_id, address,
                          request_id, before, after)
select marketplace_id, uuidv7(created_at - now()),
       case buyer_public_id when 'usr_seldom' then 'key:seldom' else 'key:often' end, 'marketplace',
       case buyer_public_id when 'usr_seldom' then 'order.cancel' else 'order.create' end, 'Order',
       client_order_ref, '', '', '{}', '{}'
from orders.orders where marketplace_id = %(marketplace_id)s order by id
"""
# A request for each order; 1 of 500 is by another key.
_REQUESTS = """
insert into gateway.requests (marketplace_id, id, actor, role, method, route, path, status, code,
                              message, milliseconds, request_id, idempotency_key)
select marketplace_id, uuidv7(created_at - now()),
       case buyer_public_id when 'usr_seldom' then 'key:seldom' else 'key:often' end, 'marketplace',
       'POST', '/api/v1/orders', '/api/v1/orders', 201, '', '', 5, client_order_ref, ''
from orders.orders where marketplace_id = %(marketplace_id)s order by id
"""
# Statistics for the tables that the later statements join.
_KNOWN = "analyze orders.orders, orders.users"
_STATEMENTS = [
    part
    for whole in (
        *(_ORDERS, _WORDS, _TOTALS, _USERS, _KNOWN, _DISPUTES, _WITHDRAWALS, _LEDGER, _EVENTS),
        *(_DELIVERIES, _AUDIT, _REQUESTS),
    )
    for part in whole.split(";\n")
]
