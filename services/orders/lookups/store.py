"""Lists of orders in PostgreSQL: one statement for each page.

A list walks along one index, in the order of its sort. It uses the index of the filter that the
fewest orders match, and checks the other filters on each order of the walk. A walk ends after
LOOKED_AT orders, even if no order matched, so that no combination of filters reads a whole
marketplace. The next page begins where the walk ended.
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

# The most orders that a page looks at, without and with a search for words. The words of each
# order are looked up one by one.
LOOKED_AT, LOOKED_AT_FOR_WORDS = 10_000, 2_000
# To find the rarest word of a search, at most this many orders are counted for each word.
COUNTED = 500
# An id contains the millisecond of its creation, and created_at is read a moment later. The clock
# may be set back by at most this much between the two.
APART_MILLISECONDS = 2_000
# Larger than every amount.
MOST = 2**63 - 1
_LAST_ID, _LAST_MILLISECOND = 2**128 - 1, 2**48 - 1
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of orders, and their running operations by order id.

    looked_to: the last order that was looked at, if the walk ended early; None: it did not.
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
    """Read a page of at most `limit` orders. sides: buyer_id and seller_id; None: any."""
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
    # The filters that the index or the bounds of the walk already apply.
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
    """Return the word that the fewest orders have, up to COUNTED each; None: no word is given."""
    if len(words) <= 1:
        return next(iter(words), None)
    values = {"marketplace_id": marketplace_id, "words": list(words)}
    found: str = await connection.fetchval(_RAREST, values)
    return found


def _bounds(chosen: Filter, sort: Sort, after: Place | None) -> dict[str, object]:
    """Return the exclusive bounds of the walk."""
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
    """Return the least id of an instant. apart: milliseconds to add. Source: RFC 9562 §5.7."""
    milliseconds = (at - _EPOCH) // dt.timedelta(milliseconds=1) + apart
    return min(max(milliseconds, 0), _LAST_MILLISECOND) << 80


# The filters that have an index, from the most to the least selective.
_SELECTIVE = ("client_order_ref", "buyer_id", "seller_id", "word", "amount", "state")
_TYPES = {"buyer_id": "uuid", "seller_id": "uuid", "amount": "bigint"}
_BY_ID = "id > %(first_id)s and id < %(last_id)s"
_BY_AMOUNT = """(amount, id) > (%(first_amount)s::bigint, %(first_id)s)
        and (amount, id) < (%(last_amount)s::bigint, %(last_id)s)"""
# For each sort: the `order by` clause, and the bounds of the walk.
_ORDERS = {
    Sort.NEWEST: ("id desc", _BY_ID),
    Sort.OLDEST: ("id", _BY_ID),
    Sort.SMALLEST: ("amount, id", _BY_AMOUNT),
    Sort.LARGEST: ("amount desc, id desc", _BY_AMOUNT),
}


@functools.cache
def _page(by: str | None, sort: Sort, *, is_plain: bool) -> str:
    """Return the statement of a page. by: the filter whose index is walked; None: all orders.

    is_plain: every order of the walk matches the filters, so the walk needs no limit of its own.
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
    # The inner limit makes the planner walk the chosen index.
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
    """Return the statement that walks the words and looks up each order by its id."""
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
    """Return the statement that selects the last order looked at, if the page is not full."""
    return f"""
    select {columns} from {walk} and (select count(*) from page) < %(limit)s
    order by {order} offset %(looked_at)s - 1 limit 1
"""  # noqa: S608 - constants


def _tried(name: str) -> str:
    kind = _TYPES.get(name, "text")
    return f"(%({name})s::{kind} is null or {name} = %({name})s::{kind})"


_COLUMNS = ", ".join(column.name for column in orders.c)
_OWN = "marketplace_id = %(marketplace_id)s"
# At most one order. `<> ''` is needed for the partial index: the planner does not know that the
# parameter is not empty. `offset 0` keeps the planner from walking all orders instead.
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
# Checks that the order has every word of the search.
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
