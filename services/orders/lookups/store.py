"""Lists of orders in PostgreSQL: one statement a page, whatever is asked for.

A list walks down one index, in the order of its sort. The index is that of the filter that fewest
orders fulfil; the other filters are tried on each order that the walk comes to. A walk ends after
LOOKED_AT orders, found or not, so that no combination of filters reads a whole marketplace; the
place where it ended is where the next page begins.
"""

import datetime as dt
import functools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.database import Connection
from services.orders.lookups.filters import Filter, Place, Sort
from services.orders.lookups.words import words_of
from services.orders.operations import hot
from services.orders.operations.operation import Operation
from services.orders.order.domain import Order
from services.orders.order.store import order_of
from services.orders.tables import orders

# How many orders one page looks at; and where it looks for words, which are read one by one.
LOOKED_AT, LOOKED_AT_FOR_WORDS = 10_000, 2_000
# How many orders that have a word are counted, to find the word that fewest have.
COUNTED = 500
# An id has the millisecond in which it was made; created_at is read a moment later. A clock that is
# set back in between is not set back further than this.
APART_MILLISECONDS = 2_000
# No amount is as large.
MOST = 2**63 - 1
_LAST_ID, _LAST_MILLISECOND = 2**128 - 1, 2**48 - 1
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Orders of a list, and the operations that run on them by order.

    looked_to: the last order looked at where the walk ended early; None: it did not.
    """

    orders: list[Order]
    operations: Mapping[uuid.UUID, Operation]
    looked_to: Place | None


async def page(
    connection: Connection,
    *,
    marketplace_id: uuid.UUID,
    chosen: Filter,
    sides: Mapping[str, uuid.UUID | None],
    sort: Sort,
    after: Place | None,
    limit: int,
) -> Page:
    """Read a page of a list. sides: buyer_id and seller_id, None: any; limit: at most so many."""
    words = words_of(chosen.text)
    if chosen.text and not words:
        return Page(orders=[], operations={}, looked_to=None)
    exact = {
        "client_order_ref": chosen.client_order_ref or None,
        **sides,
        "word": await _rarest(connection, marketplace_id, words),
        "amount": chosen.amount,
        "state": chosen.state.value if chosen.state else None,
    }
    tried = {
        **exact,
        "created_from": chosen.created_from,
        "created_to": chosen.created_to,
        "amount_from": chosen.amount_from,
        "amount_to": chosen.amount_to,
    }
    given = [name for name, value in tried.items() if value is not None]
    by = None if sort.is_by_amount else next((name for name in _SELECTIVE if name in given), None)
    # What the ends of the walk or its index say already.
    walked = {"amount", "amount_from", "amount_to"} if sort.is_by_amount else {by}
    is_plain = walked.issuperset(given) and not words
    values = tried | _bounds(chosen, sort, after)
    values |= {"marketplace_id": marketplace_id, "limit": limit, "words": list(words)}
    values["looked_at"] = LOOKED_AT_FOR_WORDS if words else LOOKED_AT
    rows = await connection.fetch(_page(by, sort, is_plain=is_plain), values)
    first = rows[0]
    found = [row for row in rows if row.id is not None]
    return Page(
        orders=[order_of(row) for row in found],
        operations={row.id: running for row in found if (running := hot.running_of(row))},
        looked_to=None
        if first.looked_to_id is None
        else Place(amount=first.looked_to_amount, order_id=first.looked_to_id),
    )


async def _rarest(
    connection: Connection, marketplace_id: uuid.UUID, words: Sequence[str]
) -> str | None:
    """Return the word that fewest orders have, as far as they are counted; None: no word."""
    if len(words) <= 1:
        return next(iter(words), None)
    values = {"marketplace_id": marketplace_id, "words": list(words)}
    found: str = await connection.fetchval(_RAREST, values)
    return found


def _bounds(chosen: Filter, sort: Sort, after: Place | None) -> dict[str, object]:
    """Return the places between which the walk goes; neither end is part of it."""
    if sort.is_by_amount:
        exact = chosen.amount
        least = max(one for one in (0, exact, chosen.amount_from) if one is not None)
        most = min(one for one in (MOST - 1, exact, chosen.amount_to) if one is not None)
        first, last = (least - 1, _LAST_ID), (most + 1, 0)
        if after is not None and sort is Sort.SMALLEST:
            first = max(first, (after.amount, after.order_id.int))
        elif after is not None:
            last = min(last, (after.amount, after.order_id.int))
        return {
            "first_amount": first[0],
            "first_id": uuid.UUID(int=first[1]),
            "last_amount": last[0],
            "last_id": uuid.UUID(int=last[1]),
        }
    first_id, last_id = 0, _LAST_ID
    if chosen.created_from is not None:
        first_id = max(0, _id_at(chosen.created_from, apart=-APART_MILLISECONDS) - 1)
    if chosen.created_to is not None:
        last_id = _id_at(chosen.created_to, apart=APART_MILLISECONDS)
    if after is not None and sort is Sort.NEWEST:
        last_id = min(last_id, after.order_id.int)
    elif after is not None:
        first_id = max(first_id, after.order_id.int)
    return {"first_id": uuid.UUID(int=first_id), "last_id": uuid.UUID(int=last_id)}


def _id_at(at: dt.datetime, *, apart: int) -> int:
    """Return the least id of a moment, moved by some milliseconds. Source: RFC 9562 §5.7."""
    milliseconds = (at - _EPOCH) // dt.timedelta(milliseconds=1) + apart
    return min(max(milliseconds, 0), _LAST_MILLISECOND) << 80


# The filters that an index serves, from those that few orders fulfil to those that many do.
_SELECTIVE = ("client_order_ref", "buyer_id", "seller_id", "word", "amount", "state")
_TYPES = {"buyer_id": "uuid", "seller_id": "uuid", "amount": "bigint"}
_BY_ID = "id > %(first_id)s and id < %(last_id)s"
_BY_AMOUNT = """(amount, id) > (%(first_amount)s::bigint, %(first_id)s)
        and (amount, id) < (%(last_amount)s::bigint, %(last_id)s)"""
# The order of each sort, and the ends of its walk.
_ORDERS = {
    Sort.NEWEST: ("id desc", _BY_ID),
    Sort.OLDEST: ("id", _BY_ID),
    Sort.SMALLEST: ("amount, id", _BY_AMOUNT),
    Sort.LARGEST: ("amount desc, id desc", _BY_AMOUNT),
}


@functools.cache
def _page(by: str | None, sort: Sort, *, is_plain: bool) -> str:
    """Return the statement of a page. by: the filter whose index is walked, None: of all orders.

    is_plain: every order that the walk comes to is one of the list, so it need not be fenced.
    """
    order, bounds = _ORDERS[sort]
    if by == "word":
        walk = f"words where {_OWN} and word = %(word)s and {bounds.replace('id ', 'order_id ')}"
        order = order.replace("id", "order_id")
        looked_to = _looked_to(walk, order, columns="order_id as id, 0::bigint as amount")
        return _whole(_taken_by_word(walk, order), looked_to, _ORDERS[sort][0])
    if by == "client_order_ref":
        walk = f"({_REFERRED}) as referred where {bounds}"
    elif by is not None:
        walk = f"orders where {_OWN} and {by} = %({by})s and {bounds}"
    else:
        walk = f"orders where {_OWN} and {bounds}"
    walked = f"select {_COLUMNS} from {walk} order by {order}"  # noqa: S608 - constants
    if is_plain:
        return _whole(f"{walked} limit %(limit)s", _NOWHERE, order)
    # The inner limit keeps the walk on its index.
    taken = f"""
    select {_COLUMNS} from ({walked} limit %(looked_at)s) as walked
    where {_TRIED} order by {order} limit %(limit)s
"""  # noqa: S608 - constants
    return _whole(taken, _looked_to(walk, order, columns="id, amount"), order)


def _whole(taken: str, looked_to: str, order: str) -> str:
    return f"""
with page as ({taken}),
looked_to as ({looked_to})
select {hot.columns_of("page")}, {hot.RUNNING},
    (select id from looked_to) as looked_to_id, (select amount from looked_to) as looked_to_amount
from (values (1)) as always left join page on true {hot.joined("page.marketplace_id", "page.id")}
order by {", ".join(f"page.{column}" for column in order.split(", "))}
"""  # noqa: S608 - constants


def _taken_by_word(walk: str, order: str) -> str:
    """Select the orders of the page, each looked up by its id as the walk comes to it."""
    return f"""
    select {_COLUMNS} from (
        select order_id from {walk} order by {order} limit %(looked_at)s
    ) as walk
    cross join lateral (
        select {_COLUMNS} from orders where {_OWN} and id = walk.order_id limit 1
    ) as walked
    where {_TRIED} order by {order} limit %(limit)s
"""  # noqa: S608 - constants


def _looked_to(walk: str, order: str, *, columns: str) -> str:
    """Select the last place that was looked at, if that was the end of the page."""
    return f"""
    select {columns} from {walk} and (select count(*) from page) < %(limit)s
    order by {order} offset %(looked_at)s - 1 limit 1
"""  # noqa: S608 - constants


def _tried(name: str) -> str:
    kind = _TYPES.get(name, "text")
    return f"(%({name})s::{kind} is null or {name} = %({name})s::{kind})"


_COLUMNS = ", ".join(column.name for column in orders.c)
_OWN = "marketplace_id = %(marketplace_id)s"
# One order at most, of the partial index: a parameter might be empty. `offset 0` keeps the planner
# from looking for it among all orders of the page.
_REFERRED = f"""
    select {_COLUMNS} from orders
    where {_OWN} and client_order_ref = %(client_order_ref)s and client_order_ref <> '' offset 0
"""  # noqa: S608 - constants
_RAREST = f"""
select wanted.one from unnest(%(words)s::text[]) with ordinality as wanted (one, place)
cross join lateral (
    select count(*) as n from (
        select from words where {_OWN} and word = wanted.one limit {COUNTED}
    ) as had
) as counted
order by counted.n, wanted.place limit 1
"""  # noqa: S608 - constants
_NOWHERE = "select null::uuid as id, null::bigint as amount"
# Each word is looked up in the order's words.
_WORDED = """(%(words)s::text[] = '{}' or cardinality(%(words)s::text[]) = (
        select count(*) from unnest(%(words)s::text[]) as wanted (one) cross join lateral (
            select from words
            where marketplace_id = %(marketplace_id)s and word = wanted.one
                and order_id = walked.id limit 1
        ) as had
    ))"""
_TRIED = " and ".join(
    [
        *(_tried(name) for name in _SELECTIVE if name != "word"),
        _WORDED,
        *(
            f"(%({column}_{end})s::{kind} is null or {name} {sign} %({column}_{end})s::{kind})"
            for column, name, kind, signs in (
                ("created", "created_at", "timestamptz", (">=", "<")),
                ("amount", "amount", "bigint", (">=", "<=")),
            )
            for end, sign in zip(("from", "to"), signs, strict=True)
        ),
    ]
)
