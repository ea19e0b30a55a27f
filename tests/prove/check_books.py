"""Checks of the database after the run: nothing hangs, every user has the right balance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from tests.prove.checking import Check, check, read

SCHEMAS: tuple[LiteralString, ...] = ("orders", "ledger", "escrow", "disputes")
Rows = Sequence[Mapping[str, Any]]
# A code of services/ledger/book.py.
CORRECTION = 13

_UNDER_WAY: LiteralString = """
select 'operations' as what, count(*) as n from orders.operations where state = 'running'
union all select 'commands', count(*) from escrow.commands where state = 'RUNNING'
union all select 'credits', count(*) from orders.credits where state = 'RUNNING'
union all select 'events', (select count(*) from orders.outbox_waiting)
    + (select count(*) from ledger.outbox_waiting)
    + (select count(*) from escrow.outbox_waiting)
    + (select count(*) from disputes.outbox_waiting)
"""
_QUARANTINED: LiteralString = """
select marketplace_id, id, kind, error_reason, error_message from escrow.commands
where state = 'QUARANTINED'
"""
_TRANSIENT: LiteralString = """
select id, state from orders.orders where state not in
    ('ORDER_CREATED', 'FUNDS_RESERVED', 'ESCROW_CREATING', 'IN_PROGRESS', 'DISPUTED', 'CLOSED')
"""
_OPEN_HOLD: LiteralString = """
select o.id, o.state, o.final_status,
    exists (
        select 1 from ledger.transfers t
        where t.marketplace_id = o.marketplace_id and t.order_id = o.id and t.type = 2
        and not exists (
            select 1 from ledger.transfers r
            where r.marketplace_id = t.marketplace_id and r.pending_id = t.id
        )
    ) as is_held
from orders.orders o
"""
_DEPOSITS: LiteralString = """
select w.marketplace_id, w.user_id, sum(d.minor_units)::bigint as amount
from escrow.deposits d join escrow.wallets w on w.id = d.wallet_id group by 1, 2
"""
_ORDERS: LiteralString = """
select marketplace_id, id, buyer_id, seller_id, state, final_status, amount, released_share,
       charged_fee
from orders.orders
"""
_CREDITS: LiteralString = """
select marketplace_id, user_id, amount from orders.credits where state = 'SUCCEEDED'
"""
_CORRECTIONS: LiteralString = """
select marketplace_id, debit_account, credit_account, amount from ledger.transfers where code = %s
"""
_ACCOUNTS: LiteralString = """
select marketplace_id, split_part(name, ':', 2) as user_id, credits - debits as posted
from ledger.accounts where kind = 'user'
"""
_BOOKED: LiteralString = """
select (select count(*) from escrow.deposits) as seen,
       (select count(*) from ledger.transfers where code = 1) as booked
"""
# What orders has done, and the lines of that.
_UNTOLD: LiteralString = """
with changes as (
    select marketplace_id, 'order.create' as action, count(*) as n from orders.orders group by 1
    union all select marketplace_id, 'user.register', count(*) from orders.users group by 1
    union all select marketplace_id, 'balance.credit', count(*) from orders.credits group by 1
    union all select marketplace_id, 'order.' || lower(kind), count(*) from orders.operations
        group by 1, 2
    union all select marketplace_id, 'order.' || lower(kind) || '_failed', count(*)
        from orders.operations where state = 'failed' group by 1, 2
),
lines as (
    select marketplace_id, action, count(*) as n from orders.audit group by 1, 2
)
select marketplace_id, action, changes.n as changed, coalesce(lines.n, 0) as told
from changes left join lines using (marketplace_id, action)
where changes.n is distinct from lines.n
"""
# Where a contract holds the buyer's money.
HOLDING = ("IN_PROGRESS", "DISPUTED", "REFUND_REQUESTED", "RELEASE_REQUESTED")


def under_way(url: str) -> list[str]:
    """Count what has not ended, by kind; empty if all has ended."""
    return [f"{row['what']}: {row['n']}" for row in read(url, _UNDER_WAY) if row["n"]]


def quarantined(url: str) -> list[dict[str, Any]]:
    """List the commands that wait for an operator."""
    return read(url, _QUARANTINED)


def check_books(url: str) -> list[Check]:
    """Run the checks that need only the database."""
    orders = read(url, _OPEN_HOLD)
    held = ("FUNDS_RESERVED", "ESCROW_CREATING")
    booked = read(url, _BOOKED)[0]
    return [
        check("no command is quarantined", len(orders), quarantined(url)),
        check("no order is between two states", len(orders), read(url, _TRANSIENT)),
        check(
            "an order has an open hold where its money is reserved, and nowhere else",
            len(orders),
            [row for row in orders if row["is_held"] != (row["state"] in held)],
        ),
        check(
            "every deposit that was seen is booked, once",
            booked["seen"],
            [booked] if booked["seen"] != booked["booked"] else [],
        ),
        check(
            "every order, user, credit and operation has its line in the audit trail, once",
            len(orders),
            read(url, _UNTOLD),
        ),
        check_users(
            deposits=read(url, _DEPOSITS),
            credited=read(url, _CREDITS),
            orders=read(url, _ORDERS),
            corrections=read(url, _CORRECTIONS, CORRECTION),
            accounts=read(url, _ACCOUNTS),
        ),
    ]


def check_users(
    *, deposits: Rows, credited: Rows, orders: Rows, corrections: Rows, accounts: Rows
) -> Check:
    """Compare each user's balance with deposits, credits, and the ends of their orders. Pure."""
    due: Counter[tuple[str, str]] = Counter()
    for row in (*deposits, *credited):
        due[str(row["marketplace_id"]), str(row["user_id"])] += row["amount"]
    for row in orders:
        market, buyer, seller = (str(row[k]) for k in ("marketplace_id", "buyer_id", "seller_id"))
        if row["state"] in HOLDING:
            due[market, buyer] -= row["amount"]
        elif row["final_status"] == "RELEASED":
            due[market, buyer] -= row["released_share"]
            due[market, seller] += row["released_share"] - row["charged_fee"]
    for row in corrections:
        for account, sign in ((row["debit_account"], -1), (row["credit_account"], 1)):
            kind, _, user = account.partition(":")
            if kind == "user":
                due[str(row["marketplace_id"]), user] += sign * row["amount"]
    has = {(str(row["marketplace_id"]), row["user_id"]): row["posted"] for row in accounts}
    wrong = [(who, due[who], has.get(who)) for who in set(due) | set(has)]
    return check(
        "each user has deposits and credits, less what they bought, and what they sold",
        len(has),
        [found for found in wrong if found[1] != (found[2] or 0)],
    )
