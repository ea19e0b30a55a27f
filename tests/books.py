"""What a running stack's database holds about an order, read directly with SQL."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import scalar_row

from deploy.local import identities
from deploy.local.rest import Marketplace
from deploy.operator.client import Operator
from deploy.operator.reconcile import differing
from kernel.ids import derived_id, from_public, to_public
from tests.running_stack import RunningStack
from tests.shop import until

# An order and what belongs to it.
_RELATED = """
with o as (select * from orders.orders where id = %(id)s),
d as (select * from disputes.disputes where order_id = %(id)s),
t as (select * from ledger.transfers where order_id = %(id)s),
e as (select * from escrow.escrows where order_id = %(id)s),
c as (select c.* from escrow.commands c join e on (e.marketplace_id, e.id)
      = (c.marketplace_id, c.escrow_id)),
s as (select s.*, c.state = 'RUNNING' as is_in_motion from escrow.steps s join c
      on (c.marketplace_id, c.id) = (s.marketplace_id, s.command_id))
"""
_IN_MOTION = "exists (select from c where c.escrow_id = e.id and c.state = 'RUNNING')"
_TOLD = (
    "to_jsonb(x) - 'published_at'",
    "{} x where concat(x.aggregate_id, x.payload, x.body) like any(%(names)s)",
)
# The rows that a command on an order could change, by table: columns and rows. Of an operation in
# progress only its existence counts, because its attempts and progress change without a command.
PARTS: Mapping[str, tuple[str, str]] = {
    "orders.orders": ("to_jsonb(o)", "o"),
    "orders.operations": (
        "case p.state when 'running' then jsonb_build_array(p.id, p.kind) else to_jsonb(p) end",
        "{} p where p.order_id = %(id)s",
    ),
    "orders.offers": ("to_jsonb(f)", "{} f where f.order_id = %(id)s"),
    "orders.outbox": _TOLD,
    "ledger.transfers": ("to_jsonb(t)", "t"),
    "ledger.entries": (
        "to_jsonb(n)",
        "{} n join t on (t.marketplace_id, t.id) = (n.marketplace_id, n.transfer_id)",
    ),
    "ledger.accounts": (
        "to_jsonb(a)",
        """{} a join o on a.marketplace_id = o.marketplace_id and split_part(a.name, ':', 2)
        in (o.buyer_id::text, o.seller_id::text, o.id::text)""",
    ),
    "ledger.barred_holds": ("to_jsonb(b)", "{} b where b.order_id = %(id)s"),
    "ledger.outbox": _TOLD,
    "escrow.escrows": (
        f"to_jsonb(e) - case when {_IN_MOTION} then '{{last_error}}'::text[] else '{{}}' end",
        "e",
    ),
    "escrow.commands": (
        "case c.state when 'RUNNING' then jsonb_build_array(c.id, c.kind) else to_jsonb(c) end",
        "c",
    ),
    "escrow.steps": ("to_jsonb(s)", "s where not s.is_in_motion"),
    "escrow.attempts": (
        "to_jsonb(a)",
        "{} a join s on s.id = a.step_id and not s.is_in_motion",
    ),
    "escrow.payments": ("to_jsonb(p)", "{} p join s on s.id = p.step_id"),
    "escrow.flow_uses": (
        "to_jsonb(f)",
        "{} f join s on s.id = f.step_id and not s.is_in_motion",
    ),
    "escrow.outbox": _TOLD,
    "disputes.disputes": ("to_jsonb(d)", "d"),
    "disputes.rulings": (
        "to_jsonb(r)",
        "{} r join d on (d.marketplace_id, d.id) = (r.marketplace_id, r.dispute_id)",
    ),
    "disputes.messages": (
        "to_jsonb(m)",
        "{} m join d on (d.marketplace_id, d.id) = (m.marketplace_id, m.dispute_id)",
    ),
    "disputes.notes": (
        "to_jsonb(m)",
        "{} m join d on (d.marketplace_id, d.id) = (m.marketplace_id, m.dispute_id)",
    ),
    "disputes.outbox": _TOLD,
}
_ROWS = "select '{}', coalesce(jsonb_agg({what} order by {what}), '[]') from {}"
_EVERYTHING = _RELATED + " union all ".join(
    _ROWS.format(table, rows.format(table), what=what) for table, (what, rows) in PARTS.items()
)
_KINDS = ("ord", "esc", "dsp")
_NAMES = "select id, escrow_id, dispute_id from orders.orders where id = %s"
# A table with one of these columns is about orders. Stored answers are about their requests.
_NAMED = ("order_id", "dispute_id", "escrow_id", "command_id", "step_id", "transfer_id", "body")
# Not compared: idempotency records name no order, deposits in suspense precede any order, and
# operators' proposals are not commands on an order. The words of an order are written later.
_TABLES_ABOUT_ORDERS = """
select distinct table_schema || '.' || table_name from information_schema.columns
where table_schema in ('orders', 'ledger', 'escrow', 'disputes') and column_name = any(%s)
and table_name not in ('idempotency', 'suspense', 'corrections', 'correction_decisions', 'words',
                       'words_due', 'redirects')
"""

_TRANSFERS = "select count(*) from ledger.transfers where order_id = %s"
_ESCROWS = "select count(*) from escrow.escrows where order_id = %s"
_CREATIONS = """
select count(*) from escrow.commands c join escrow.escrows e
on e.marketplace_id = c.marketplace_id and e.id = c.escrow_id
where c.kind = 'CREATE' and e.order_id = %s
"""
_TOLD_OF = "select event_type from orders.outbox where aggregate_id = %s order by version"
# The commands that escrow was given for a withdrawal, and the transactions that paid for it.
_PAYMENTS_OUT = """
select count(distinct c.id), coalesce(string_agg(distinct p.transaction_hash, ' '), '')
from escrow.commands c
join escrow.steps s on (s.marketplace_id, s.command_id) = (c.marketplace_id, c.id)
left join escrow.payments p on p.step_id = s.id
where c.id = %s and c.kind = 'WITHDRAW'
"""
_POOR_ACCOUNTS = """
select count(*) from ledger.accounts
where holds < 0 or (kind in ('user', 'escrow') and credits - debits - holds < 0)
"""
_POOR_MOMENTS = (
    "select count(*) from ledger.entries where available_after < 0 or reserved_after < 0"
)


class Books:
    """Reads the database as its administrator; writes only order states that pass too quickly."""

    def __init__(self, stack: RunningStack) -> None:
        self._url = str(stack.document["databaseUrl"])

    async def until_in_motion(self, order_id: str) -> None:
        """Wait until escrow has a command for an order, because a 202 is answered before that."""

        async def is_so() -> bool:
            # A running command appears here as a list with its id and kind.
            commands = self.all_about(order_id)["escrow.commands"] or []
            return any(isinstance(command, list) for command in commands)

        await until(is_so, what="escrow has not taken the command")

    def all_about(self, order_id: str) -> dict[str, Any]:
        """Read everything that a command on an order could change, by table."""
        with psycopg.connect(self._url) as connection:
            row = connection.execute(_NAMES, (_uuid(order_id),)).fetchone()
            assert row is not None, order_id
            names = [
                to_public(kind, value) for kind, value in zip(_KINDS, row, strict=True) if value
            ]
            values = {"id": row[0], "names": [f"%{name}%" for name in names]}
            found: dict[str, Any] = dict(
                connection.execute(_EVERYTHING.encode(), values).fetchall()
            )
        assert len(found["ledger.accounts"]) >= 2, "an account is not open"
        return found

    def tables_about_orders(self) -> set[str]:
        """Return the tables with a column that can refer to an order."""
        with psycopg.connect(self._url, row_factory=scalar_row) as connection:
            return set(connection.execute(_TABLES_ABOUT_ORDERS, (list(_NAMED),)).fetchall())

    def transfers(self, order_id: str) -> int:
        """Count the transfers made for an order."""
        return self._count(_TRANSFERS, _uuid(order_id))

    def escrows(self, order_id: str) -> tuple[int, int]:
        """Count an order's escrows, and the commands that were to create one."""
        order = _uuid(order_id)
        return self._count(_ESCROWS, order), self._count(_CREATIONS, order)

    def told(self, public_id: str) -> list[str]:
        """List the events of orders about something, in order."""
        with psycopg.connect(self._url, row_factory=scalar_row) as connection:
            return connection.execute(_TOLD_OF, (public_id,)).fetchall()

    def payments_out(self, withdrawal: str) -> tuple[int, str]:
        """Return the number of escrow's commands for a withdrawal, and their payments' hashes."""
        found = from_public("wd", withdrawal)
        assert found is not None, withdrawal
        with psycopg.connect(self._url) as connection:
            row = connection.execute(_PAYMENTS_OUT, (derived_id(found, "pay"),)).fetchone()
        assert row is not None
        return int(row[0]), str(row[1])

    def orders_titled(self, title: str) -> int:
        """Count the orders with a title."""
        return self._count("select count(*) from orders.orders where title = %s", title)

    def below_zero(self) -> int:
        """Count the accounts, and the entries, with a negative balance."""
        return self._count(_POOR_ACCOUNTS) + self._count(_POOR_MOMENTS)

    def put_into(self, order_id: str, state: str) -> None:
        """Write a state into an order's row only; the order's other data stays unchanged."""
        statement = "update orders.orders set state = %s where id = %s"
        with psycopg.connect(self._url) as connection:
            assert connection.execute(statement, (state, _uuid(order_id))).rowcount == 1

    def _count(self, statement: LiteralString, *values: object) -> int:
        with psycopg.connect(self._url, row_factory=scalar_row) as connection:
            found: Any = connection.execute(statement, values).fetchone()
        return int(found)


@contextlib.asynccontextmanager
async def operator_of(stack: RunningStack) -> AsyncIterator[Operator]:
    """Open the operator's view of the demo marketplace for the block."""
    document = stack.document
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        marketplace_id = await marketplace.marketplace_id()
    async with Operator.of(
        services=document["services"],
        papers=identities.operator_papers(stack.run_dir),
        marketplace_id=marketplace_id,
    ) as opened:
        yield opened


async def assert_sound(operator: Operator) -> None:
    """Assert that the ledger's invariants hold and that ledger and chain agree."""

    async def settled() -> bool:
        holdings = await operator.holdings()
        return not any(found.in_motion for found in holdings) and not differing(holdings)

    await until(settled, what="ledger and chain did not agree")
    broken = [found for found in await operator.invariants() if not found.holds]
    assert broken == []


def _uuid(order_id: str) -> str:
    value = from_public("ord", order_id)
    assert value is not None, order_id
    return str(value)
