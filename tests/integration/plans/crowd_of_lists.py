"""More of a database that grew: withdrawals, deliveries and events, for lists with filters.

Each kind has a filter that nearly all rows fulfil beside another that none of them does.
"""

import uuid

# The one webhook; nothing is sent to it.
WEBHOOK = uuid.UUID(int=7)
# What nearly all events are about.
AGGREGATE = "usr_often"

# Nothing is left to do about any of them. trades: from crowd.py.
WITHDRAWALS = """
insert into orders.withdrawals (marketplace_id, id, user_id, user_public_id, asset, amount,
    destination, reference, state, in_progress, is_turned_down, commits, version, created_at,
    committed_at, finished_at, transaction_hash, failure_reason, failure_message, scope, key,
    fingerprint, request_id, lease_until, lease_epoch)
select m, uuidv7(), b.buyer, b.buyer_name, 'USDC', 100, 'G', 'payout', 'COMPLETED', false, false, 1,
       1, at, at, at, 'hash', '', '', '', '', '', '', at, 1
from trades cross join (select buyer, buyer_name from trades order by i limit 1) as b
"""
DELIVERIES = f"""
insert into webhooks.webhooks (marketplace_id, id, url, event_types, description, disabled_why,
                               disabled_at, secret_number, version, created_at, updated_at)
select m, '{WEBHOOK}', 'https://shop.example', '{{*}}', '', 'REQUESTED', now(), 1, 1, now(), now()
from trades limit 1;
insert into webhooks.deliveries (marketplace_id, id, webhook_id, event_id, event_type,
    aggregate_type, aggregate_id, body, state, attempts, due_at, lease_until, lease_epoch,
    created_at, finished_at)
select m, uuidv7(), '{WEBHOOK}', id, 'order.created', 'Order', id, '{{}}', 'DELIVERED', 1, at,
       'epoch', 1, at, at
from trades
"""  # noqa: S608 - constants
EVENTS = f"""
insert into webhooks.events (marketplace_id, id, type, aggregate_type, aggregate_id, occurred_at,
                             body, recorded_at)
select m, uuidv7(), 'order.created', 'User', '{AGGREGATE}', at, '{{}}', now() from trades
"""  # noqa: S608 - constants
STATEMENTS = (WITHDRAWALS, DELIVERIES, EVENTS)
