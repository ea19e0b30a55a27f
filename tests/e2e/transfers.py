"""The transfers of a running stack, read from its database, with the names of docs/money.md."""

from collections.abc import Mapping
from typing import LiteralString

import psycopg
from orchestrator.ledger.v1 import ledger_pb2

from kernel.ids import from_public
from kernel.money import to_text
from tests.e2e.money_document import Row
from tests.running_stack import RunningStack

_OF_ORDER = """
select t.type, t.code, t.debit_account, t.credit_account, t.amount, o.buyer_id, o.seller_id
from ledger.transfers t
join orders.orders o on o.marketplace_id = t.marketplace_id and o.id = t.order_id
where t.order_id = %s order by t.number
"""
_OF_USER = """
select t.type, t.code, t.debit_account, t.credit_account, t.amount, u.id, u.id
from ledger.transfers t
join orders.users u on u.marketplace_id = t.marketplace_id
    and 'user:' || u.id in (t.debit_account, t.credit_account)
where u.public_id = %s order by t.number
"""


def of_order(stack: RunningStack, order_id: str) -> list[Row]:
    """Read every transfer of an order, oldest first; its parties are named buyer and seller."""
    return _read(stack, _OF_ORDER, str(from_public("ord", order_id)))


def of_user(stack: RunningStack, public_id: str) -> list[Row]:
    """Read every transfer of a user, oldest first; the user is named buyer."""
    return _read(stack, _OF_USER, public_id)


def _read(stack: RunningStack, statement: LiteralString, value: str) -> list[Row]:
    with psycopg.connect(str(stack.document["databaseUrl"])) as connection:
        rows = connection.execute(statement, (value,)).fetchall()
    return [_row(*row) for row in rows]


def _row(
    kind: int, code: int, debit: str, credit: str, amount: int, buyer: object, seller: object
) -> Row:
    names: Mapping[str, str] = {f"user:{seller}": "user:seller", f"user:{buyer}": "user:buyer"}
    return {
        "type": _word(ledger_pb2.TransferType.Name(kind), "TRANSFER_TYPE_").lower(),
        "code": _word(ledger_pb2.TransferCode.Name(code), "TRANSFER_CODE_"),
        "debit": _named(debit, names),
        "credit": _named(credit, names),
        "amount": to_text(amount),
    }


def _named(account: str, names: Mapping[str, str]) -> str:
    """Name an account as the document does: without the order's id."""
    if account.startswith("escrow:"):
        return "escrow:order"
    return names.get(account, account)


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix)
