"""What exports share: the period, and a file that is generated from a list page by page.

A file has the objects of a list in the order of the list, newest first. It is generated while it is
sent, so it can have any length. Objects that are created meanwhile are not in the file; no object
is missing or duplicated.
"""

import datetime as dt
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

from orchestrator.common.v1 import common_pb2
from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway import csv_text
from gateway.answers import CsvFile
from gateway.errors import invalid
from gateway.models import PAGE_MAX, Request

# Lists are sorted by id, that is, by the clock of the process that created the object. The clocks
# of processes may differ by this much.
CLOCKS = dt.timedelta(minutes=5)
_MOMENT = r"(19|20)\d\d-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d))?"
Row = Mapping[str, Any]
# Reads one page. Returns its objects, and the token of the next page ("" after the last).
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
    """Objects created from `from` on and before `to`. A day stands for its first instant, UTC."""

    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None


def _is_within(period: Period, at: str | None) -> bool:
    """Return whether a printed time is within the period; an unknown time (None) always is."""
    if at is None or (period.from_ is None and period.to is None):
        return True
    moment = dt.datetime.fromisoformat(at)
    is_begun = period.from_ is None or period.from_ <= moment
    return is_begun and (period.to is None or moment < period.to)


def _is_past(period: Period, at: str | None) -> bool:
    """Return whether all objects that follow this time in a list are older than the period."""
    if at is None or period.from_ is None:
        return False
    return dt.datetime.fromisoformat(at) < period.from_ - CLOCKS


async def file(name: str, shape: type, period: Period, read: Read, *, at: str) -> CsvFile:
    """Return the file of a list. shape: of its objects. at: the field to which the period applies.

    The first page is read before anything is sent, so that its errors become refusals.
    Raises: InvalidArgument: the period is empty; as `read`.
    """
    if period.from_ is not None and period.to is not None and period.from_ >= period.to:
        raise invalid("to", "must be after from")
    first = await read(common_pb2.PageRequest(page_size=PAGE_MAX))
    fields = _fields(shape)
    return CsvFile(name=f"{name}.csv", chunks=_chunks(fields, period, first, read, at))


async def _chunks(
    fields: Sequence[str], period: Period, first: tuple[Sequence[Row], str], read: Read, at: str
) -> AsyncGenerator[bytes]:
    """Yield the lines of one page after another. Raises: as `read`."""
    yield csv_text.head(fields)
    rows, following = first
    while True:
        wanted = [one for one in rows if _is_within(period, one[at])]
        if wanted:
            yield csv_text.lines(fields, wanted)
        if not following or (rows and _is_past(period, rows[-1][at])):
            return
        request = common_pb2.PageRequest(page_size=PAGE_MAX, page_token=following)
        rows, following = await read(request)


def _fields(shape: type) -> list[str]:
    """Return the names of an answer's fields, with the fields of its bases first."""
    return list(shape.__annotations__)
