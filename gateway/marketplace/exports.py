"""Exports: lists of the API as CSV files, sent as they are made.

A file has the objects of a list in its order, newest first. It is made page by page, so it can be
of any length. Objects that are made while it is sent are not in it, and none is missing or doubled.
"""

import datetime as dt
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2, withdrawals_pb2
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway import csv_text
from gateway.answers import CsvFile
from gateway.call import Call
from gateway.errors import invalid
from gateway.funds import payments
from gateway.keys import ADMIN, READ
from gateway.marketplace import balances, order, orders, platform, withdrawals
from gateway.marketplace.users import known_user
from gateway.models import PAGE_MAX, Request
from gateway.routing import Routes
from kernel.clock import to_milliseconds_text
from kernel.money import USDC

# Lists are in the order of ids, which the clock of the process that made them is in. That can be
# before or behind another one's by so much.
CLOCKS = dt.timedelta(minutes=5)
_MOMENT = r"(19|20)\d\d-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d))?"
routes = Routes("Exports")
Row = Mapping[str, Any]
# Reads one page: its objects, and the token of the next one, "" at the end.
Read = Callable[[common_pb2.PageRequest], Awaitable[tuple[Sequence[Row], str]]]


def _moment(value: Any) -> dt.datetime:
    try:
        if isinstance(value, str) and re.fullmatch(_MOMENT, value, re.ASCII):
            found = dt.datetime.fromisoformat(value)
            return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
    except ValueError:
        pass
    text = "must be a day such as 2026-02-18, or an instant such as 2026-02-18T10:00:00Z"
    raise PydanticCustomError("moment", text)


Moment = Annotated[
    dt.datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "pattern": f"^{_MOMENT}$", "examples": ["2026-02-18"]}),
]


class Period(Request):
    """What was made from an instant on, and before another one; a day is its first instant, UTC."""

    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounds:
    """A period, as instants are printed; "" where it is open."""

    first: str
    end: str
    # Older objects end the list.
    oldest: str

    @classmethod
    def of(cls, period: Period) -> "_Bounds":
        """Raises: InvalidArgument: it is empty."""
        first, end = period.from_, period.to
        if first is not None and end is not None and first >= end:
            raise invalid("to", "must be after from")
        return cls(
            first=to_milliseconds_text(first) if first is not None else "",
            end=to_milliseconds_text(end) if end is not None else "",
            oldest=to_milliseconds_text(first - CLOCKS) if first is not None else "",
        )

    def have(self, at: str) -> bool:
        """Tell whether an instant is within."""
        return self.first <= at and (not self.end or at < self.end)


@routes.get("/exports/orders.csv", scope=READ)
async def export_orders(call: Call, query: Period) -> CsvFile:
    """Export the marketplace's orders, newest first, by when they were created."""

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = orders_pb2.ListOrdersRequest(page=page)
        found = await call.read(call.backends.orders.ListOrders, request)
        return await orders.whole(call, found.orders), found.next_page_token

    return await _file("orders", order.Order, query, read, at="createdAt")


@routes.get("/exports/withdrawals.csv", scope=READ)
async def export_withdrawals(call: Call, query: Period) -> CsvFile:
    """Export the users' withdrawals, newest first, by when they were created."""

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = withdrawals_pb2.ListWithdrawalsRequest(page=page)
        found = await call.read(call.backends.orders.ListWithdrawals, request)
        printed = [withdrawals.withdrawal(one) for one in found.withdrawals]
        return printed, found.next_page_token

    return await _file("withdrawals", withdrawals.Withdrawal, query, read, at="createdAt")


@routes.get("/exports/platform.csv", scope=ADMIN)
async def export_platform(call: Call, query: Period) -> CsvFile:
    """Export the statement of the platform: each change of its own money, newest first."""
    return await _file("platform", platform.PlatformEntry, query, _platform_entries(call), at="at")


@routes.get("/exports/fees.csv", scope=ADMIN)
async def export_fees(call: Call, query: Period) -> CsvFile:
    """Export the fees that the platform has earned: those lines of its statement, newest first."""
    entries = _platform_entries(call)

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        found, following = await entries(page)
        return [one for one in found if one["account"] == platform.EARNED], following

    return await _file("fees", platform.PlatformEntry, query, read, at="at")


@routes.get("/users/{id}/statement.csv", scope=READ, refusals=("USER_NOT_FOUND",))
async def export_statement(call: Call, query: Period) -> CsvFile:
    """Export a user's statement: each payment with the balance after it, newest first."""
    owner = await known_user(call)

    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = ledger_pb2.ListEntriesRequest(user_id=str(owner.id), asset=USDC, page=page)
        found = await call.read(call.backends.ledger.ListEntries, request)
        return [balances.entry(one) for one in payments(found.entries)], found.next_page_token

    return await _file("statement", balances.Entry, query, read, at="at")


def _platform_entries(call: Call) -> Read:
    async def read(page: common_pb2.PageRequest) -> tuple[Sequence[Row], str]:
        request = ledger_pb2.ListPlatformEntriesRequest(asset=USDC, page=page)
        found = await call.read(call.backends.ledger.ListPlatformEntries, request)
        return [platform.platform_entry(one) for one in found.entries], found.next_page_token

    return read


async def _file(name: str, shape: type, period: Period, read: Read, *, at: str) -> CsvFile:
    """Make a file of a list. shape: of its objects. at: the field that the period is about.

    The first page is read before anything is sent, so that what it raises is a refusal.
    Raises: InvalidArgument; as `read`.
    """
    bounds = _Bounds.of(period)
    first = await read(common_pb2.PageRequest(page_size=PAGE_MAX))
    fields = _fields(shape)
    return CsvFile(name=f"{name}.csv", chunks=_chunks(fields, bounds, first, read, at))


async def _chunks(
    fields: Sequence[str], bounds: _Bounds, first: tuple[Sequence[Row], str], read: Read, at: str
) -> AsyncGenerator[bytes]:
    """Yield the lines of one page after another. Raises: as `read`."""
    yield csv_text.head(fields)
    rows, following = first
    while True:
        wanted = [one for one in rows if bounds.have(one[at] or "")]
        if wanted:
            yield csv_text.lines(fields, wanted)
        is_past = bool(rows) and (rows[-1][at] or bounds.oldest) < bounds.oldest
        if not following or is_past:
            return
        request = common_pb2.PageRequest(page_size=PAGE_MAX, page_token=following)
        rows, following = await read(request)


def _fields(shape: type) -> list[str]:
    """Return the names of an answer's fields, those of its bases first."""
    return list(shape.__annotations__)
