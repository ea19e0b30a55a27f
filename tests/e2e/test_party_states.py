"""Every action of every role in every status of the party API.

What the document allows answers as it says and moves the order; the rest gets exactly its 403, 404
or 409, and changes nothing: not the order, not its events, not the ledger.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

import pytest

from deploy.local.operator import Operator
from kernel.ids import to_public
from tests.books import Books, assert_sound
from tests.people import ACTIONS, Person, answer_of, meet, refusal_of, resolved, settled
from tests.shop import Shop, data_of, nothing_is_sent

ROLES = ("personal", "business", "stranger", "admin")
# Where an order can be: its status, and how it is brought there. Places of one status differ in
# what the marketplace calls them.
PLACES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "created": ("pending_payment", ()),
    "reserved": ("pending_payment", ("reserve",)),
    "escrow creating": ("pending_payment", ("reserve", "escrow")),
    "paid": ("paid", ("pay",)),
    "delivered": ("delivered", ("pay", "deliver")),
    "disputed": ("disputed", ("pay", "dispute")),
    "delivered, disputed": ("disputed", ("pay", "deliver", "dispute")),
    "completed": ("completed", ("pay", "deliver", "confirm")),
    "completed by support": ("completed", ("pay", "dispute", "FULL_RELEASE")),
    "split by support": ("completed", ("pay", "dispute", "SPLIT")),
    "refunded": ("refunded", ("pay", "refund")),
    "refunded by support": ("refunded", ("pay", "dispute", "FULL_REFUND")),
    "cancelled": ("cancelled", ("cancel",)),
}
# States that last as long as the chain takes: whence, and what is asked for.
MOVING: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "being paid": ("pending_payment", (), "pay"),
    "being released": ("paid", ("pay",), "confirm"),
    "being released, delivered": ("delivered", ("pay", "deliver"), "confirm"),
    "being refunded": ("paid", ("pay",), "refund"),
}
# Who may do what at all, and what the others are told.
MAY: Mapping[str, tuple[tuple[str, ...], str]] = {
    "get": (("personal", "business"), "not_party"),
    "pay": (("personal",), "not_personal"),
    "deliver": (("business",), "not_business"),
    "confirm": (("personal",), "not_personal"),
    "cancel": (("personal",), "not_personal"),
    "dispute": (("personal", "business"), "not_party"),
    "get_dispute": (("personal", "business", "admin"), "not_party"),
    "evidence": (("personal", "business"), "not_party"),
    "receipt": (("personal", "business"), "not_party"),
}
# In which places something is allowed, and the status that follows it.
ALLOWED: Mapping[str, Mapping[str, str]] = {
    "pay": {"created": "paid", "reserved": "paid"},
    "deliver": {"paid": "delivered"},
    "confirm": {"paid": "completed", "delivered": "completed"},
    "cancel": {"created": "cancelled", "reserved": "cancelled"},
    "dispute": {"paid": "disputed", "delivered": "disputed"},
    "evidence": {"disputed": "disputed", "delivered, disputed": "disputed"},
}
WITH_DISPUTE = tuple(place for place, (_, way) in PLACES.items() if "dispute" in way)
COMPLETED = tuple(place for place, (status, _) in PLACES.items() if status == "completed")
CREATED = 201
Results = dict[tuple[str, str, str], str]


def expected(place: str, action: str, role: str) -> tuple[int, str]:
    """Return what the document says: status, and code or the order's status afterwards."""
    roles, refusal = MAY[action]
    if role not in roles:
        return 403, refusal
    if action == "get":
        return 200, status_of(place)
    if action == "receipt":
        return (200, "completed") if place in COMPLETED else (404, "receipt_not_found")
    if action in {"get_dispute", "evidence"} and place not in WITH_DISPUTE:
        return 404, "dispute_not_found"
    return (200, status_of(place)) if action == "get_dispute" else moved(place, action)


def moved(place: str, action: str) -> tuple[int, str]:
    """Return what is said to somebody who may do it where it may be done."""
    after = ALLOWED[action].get(place)
    if after is not None:
        return (CREATED if action == "dispute" else 200), after
    if action == "dispute" and status_of(place) == "disputed":
        return 409, "dispute_already_exists"
    return 409, "invalid_status_transition"


def status_of(place: str) -> str:
    return PLACES[place][0] if place in PLACES else MOVING[place][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who takes part, by role."""

    by_role: Mapping[str, Person]
    shop: Shop

    async def bring(self, place: str, way: tuple[str, ...]) -> str:
        """Make an order and bring it to a place; returns its id."""
        order_id = await self.by_role["personal"].order(self.by_role["business"], amount="10.00")
        for step in way:
            await self._step(order_id, step)
        await self.shop.quiet(order_id)
        assert await self.by_role["personal"].status(order_id) == status_of(place)
        return order_id

    async def _step(self, order_id: str, step: str) -> None:
        if step in {"reserve", "escrow", "refund"}:
            data_of(await self.shop.act(order_id, step))
        elif step in {"FULL_RELEASE", "FULL_REFUND"}:
            await resolved(self.shop, order_id, step)
        elif step == "SPLIT":
            await resolved(self.shop, order_id, step, releaseAmount="7.00", refundAmount="3.00")
        else:
            role = "business" if step in {"deliver", "dispute"} else "personal"
            answer = await self.by_role[role].act(order_id, step)
            answer_of(answer, status=CREATED if step == "dispute" else 200)


@pytest.fixture(scope="module")
async def cast_(shop: Shop) -> AsyncIterator[Cast]:
    """A personal user with money, a business, somebody else, and an admin."""
    async with contextlib.AsyncExitStack() as opened:
        people = {
            role: await opened.enter_async_context(
                Person.of(shop.stack, role="admin" if role == "admin" else None)
            )
            for role in ROLES
        }
        await asyncio.gather(*(meet(person) for person in people.values()))
        await shop.give(str(people["personal"].id), "5000.00")
        yield Cast(by_role=people, shop=shop)


@pytest.fixture(scope="module")
def results(pytestconfig: pytest.Config) -> Iterator[Results]:
    """What came of each triple; printed as a table when all have been tried."""
    found: Results = {}
    yield found
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        print("\n" + "\n".join(table(found)))  # noqa: T201 - the table is what is asked for


def table(found: Results) -> list[str]:
    """Draw a row a place and role, and a column an action."""
    rows = [["status", "place", "role", *ACTIONS]]
    for place in (*PLACES, *MOVING):
        for role in ROLES:
            cells = [found.get((place, action, role), "-") for action in ACTIONS]
            rows.append([status_of(place), place, role, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def changes(place: str, action: str, role: str) -> bool:
    """Tell whether a triple is one that the document lets change the order."""
    return action in ALLOWED and expected(place, action, role)[0] in {200, CREATED}


async def try_what_changes_nothing(
    cast_: Cast, books: Books, order_id: str, place: str, results: Results
) -> None:
    """Try every triple that is refused or only reads, and see that nothing has changed."""
    before = books.all_about(to_public("ord", uuid.UUID(order_id)))
    for action in ACTIONS:
        for role in ROLES:
            if changes(place, action, role):
                continue
            answer = await cast_.by_role[role].act(order_id, action, Prefer="wait=0")
            status, said = expected(place, action, role)
            if status < 300:
                assert answer.status_code == status, (action, role, answer.text)
                results[place, action, role] = str(status)
            else:
                assert refusal_of(answer) == (status, said), (action, role)
                results[place, action, role] = f"{status} {said}"
            after = books.all_about(to_public("ord", uuid.UUID(order_id)))
            assert after == before, (action, role)


@pytest.mark.parametrize("place", PLACES)
async def test_what_may_be_done_and_by_whom(
    cast_: Cast, books: Books, results: Results, place: str
) -> None:
    moves = [(a, r) for a in ALLOWED for r in ROLES if changes(place, a, r)]
    way = PLACES[place][1]
    order_id, *others = await asyncio.gather(
        *(cast_.bring(place, way) for _ in range(1 + len(moves)))
    )

    await try_what_changes_nothing(cast_, books, order_id, place, results)
    for moving, (action, role) in zip(others, moves, strict=True):
        answer = await cast_.by_role[role].act(moving, action)
        status, after = expected(place, action, role)
        assert answer.status_code == status, answer.text
        await cast_.shop.quiet(moving)
        assert await cast_.by_role[role].status(moving) == after
        results[place, action, role] = f"{status} {after}"

    tried = {(action, role) for where, action, role in results if where == place}
    assert tried == {(action, role) for action in ACTIONS for role in ROLES}


@pytest.mark.parametrize("place", MOVING)
async def test_what_is_moving_keeps_its_status_and_nothing_else_is_allowed(
    cast_: Cast, books: Books, results: Results, place: str
) -> None:
    status, way, command = MOVING[place]
    order_id = await cast_.bring(place, way)
    personal = cast_.by_role["personal"]

    async with nothing_is_sent(cast_.shop.stack):
        if command == "refund":
            asked = await cast_.shop.act(order_id, command, Prefer="respond-async")
        else:
            asked = await personal.act(order_id, command, Prefer="respond-async")
        assert asked.status_code == 202, asked.text
        if command == "pay":
            await moved_on(cast_.shop, order_id)
        assert await personal.status(order_id) == status
        await try_what_changes_nothing(cast_, books, order_id, place, results)

    ends = {"pay": "paid", "confirm": "completed", "refund": "refunded"}
    await settled(personal, order_id, ends[command])
    await cast_.shop.quiet(order_id)


async def moved_on(shop: Shop, order_id: str) -> None:
    """Wait until paying has come as far as it can without the chain."""
    while (await shop.get(f"/orders/{order_id}"))["status"] != "ESCROW_CREATING":  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    while (await shop.get(f"/orders/{order_id}"))["escrow"]["trustlessContractId"] is None:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def test_afterwards_the_books_are_sound(operator: Operator) -> None:
    await assert_sound(operator)
