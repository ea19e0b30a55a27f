"""Checks of clients' answers: no change is lost or repeated, and replays return the same answer."""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kernel.ids import from_public
from tests.prove.asking import Asked, Asker, History, Lost, is_lost
from tests.prove.checking import Check, check, read

# How many requests are repeated at once.
AT_ONCE = 16

ORDERS = """
select id, state, final_status, reserved_at, funded_at, escrow_id, dispute_id, closed_at,
       dispute_decision, delivered_at, confirmed_at, title, contract_terms_json
from orders.orders
"""
USERS = "select public_id from orders.users"
CREDITS = "select reference from orders.credits where state = 'SUCCEEDED'"
Row = Mapping[str, Any]

# What an acknowledged change must have left in its order.
TRACES: Mapping[str, Callable[[Row, Mapping[str, Any]], bool]] = {
    "create": lambda _row, _data: True,
    "reserve": lambda row, _data: row["reserved_at"] is not None,
    "escrow": lambda row, _data: row["escrow_id"] is not None,
    "fund": lambda row, data: data["status"] != "IN_PROGRESS" or row["funded_at"] is not None,
    "pay": lambda row, _data: row["funded_at"] is not None,
    "deliver": lambda row, _data: row["delivered_at"] is not None,
    "confirm": lambda row, _data: row["confirmed_at"] is not None,
    "cancel": lambda row, _data: row["final_status"] == "CANCELED",
    "release": lambda row, _data: row["final_status"] == "RELEASED",
    "refund": lambda row, _data: row["final_status"] == "REFUNDED",
    "dispute": lambda row, _data: row["dispute_id"] is not None,
    "resolve": lambda row, data: (
        row["dispute_decision"] == data["decision"] and row["closed_at"] is not None
    ),
}


def check_answers(url: str, history: History, lost: Lost) -> list[Check]:
    """Compare every acknowledged change with the books."""
    return compare(
        history,
        lost,
        rows={str(row["id"]): row for row in read(url, ORDERS)},
        users={row["public_id"] for row in read(url, USERS)},
        credited={row["reference"] for row in read(url, CREDITS)},
    )


def compare(
    history: History,
    lost: Lost,
    *,
    rows: Mapping[str, Row],
    users: set[str],
    credited: set[str],
) -> list[Check]:
    """Compare answers with orders by id, users' public ids and credits' references. Pure."""
    told = [found for found in history.asked if found.answer.is_success]
    kept = [found for found in told if not is_lost(found, lost)]
    missing = [found for found in kept if not _is_there(found, rows, users, credited)]
    marks = Counter(mark for row in rows.values() if (mark := _mark(row)))
    return [
        check(
            "every acknowledged change is there",
            len(kept),
            [(found.op, found.order, found.answer.text[:200]) for found in missing],
        ),
        check("one order for each creation", len(marks), [m for m in marks if marks[m] > 1]),
        check("two answers to one request are the same", len(told), history.twins_that_differ),
        check("every request has a definite answer", len(history.asked), history.given_up),
    ]


def _is_there(found: Asked, rows: Mapping[str, Row], users: set[str], credited: set[str]) -> bool:
    data = found.answer.data
    if found.op == "user":
        return data["id"] in users
    if found.op == "credit":
        return data["reference"] in credited
    row = rows.get(_order_id(found))
    return row is not None and TRACES[found.op](row, data)


def _order_id(found: Asked) -> str:
    named = found.order or found.answer.data["id"]
    return str(from_public("ord", named) if named.startswith("ord_") else uuid.UUID(named))


def _mark(row: Row) -> str:
    """Return the text by which the client identifies the order."""
    terms = row["contract_terms_json"] or ""
    return str(terms if "proof " in terms else row["title"])


async def check_replays(askers: Mapping[str, Asker], history: History, lost: Lost) -> Check:
    """Repeat every request: a kept answer comes again, byte by byte."""
    places = asyncio.Semaphore(AT_ONCE)
    wrong: list[str] = []

    async def again(found: Asked) -> None:
        async with places:
            answer = await askers[found.who].again(found)
        if answer.text != found.answer.text:
            before = f"{found.answer.status} {found.answer.text[:200]}"
            wrong.append(f"{found.op} {found.key}: {before} / {answer.status} {answer.text[:200]}")

    told = [
        found for found in history.asked if found.answer.is_success and not is_lost(found, lost)
    ]
    await asyncio.gather(*(again(found) for found in told))
    return check("a kept answer is the same when asked for again", len(told), wrong)


def check_abandoned(history: History, abandoned: Collection[str]) -> Check:
    """Check that no payout was abandoned but by the operator. abandoned: orders' public ids."""
    told = [found.order for found in history.asked if found.answer.is_abandoned]
    return check("only the operator abandons payouts", len(told), set(told) - set(abandoned))
