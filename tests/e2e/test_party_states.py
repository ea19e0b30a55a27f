"""Every action by every role in every status of the party API.

A documented action has the documented response and moves the order. Every other one gets exactly
the documented 403, 404 or 409, and changes neither the order nor its events nor the ledger.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx
import pytest

from deploy.operator.client import Operator
from kernel.ids import to_public
from tests.books import Books, assert_sound
from tests.people import ACTIONS, Person, answer_of, meet, refusal_of, resolved, settled
from tests.shop import Shop, data_of, nothing_is_sent, until
from tests.tables import Record, add

pytestmark = pytest.mark.slow

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
    "get": (("personal", "business", "admin"), "not_party"),
    "pay": (("personal",), "not_personal"),
    "deliver": (("business",), "not_business"),
    "confirm": (("personal",), "not_personal"),
    "cancel": (("personal",), "not_personal"),
    "dispute": (("personal", "business"), "not_party"),
    "get_dispute": (("personal", "business", "admin"), "not_party"),
    "evidence": (("personal", "business"), "not_party"),
    "receipt": (("personal", "business", "admin"), "not_party"),
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
Results = dict[tuple[str, str], str]
TABLE = "what each role may do in each status"


def expected(place: str, action: str, role: str) -> tuple[int, str]:
    """Return the documented result: HTTP status, and error code or the order's new status."""
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
    """Return the documented result of an allowed action."""
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
    """The people of the tests, by role."""

    by_role: Mapping[str, Person]
    shop: Shop

    async def bring(self, place: str, way: tuple[str, ...]) -> str:
        """Create an order in a status; returns its id."""
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
    """A personal user with money, a business, an unrelated person, and an admin."""
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


def draw(record: Record, place: str, results: Results) -> None:
    """Add the rows of a status to the table, one for each role."""
    rows = [["status", "place", "role", *ACTIONS]]
    for role in ROLES:
        cells = [results.get((action, role), "-") for action in ACTIONS]
        rows.append([status_of(place), place, role, *cells])
    add(record, title=TABLE, rows=rows)


def changes(place: str, action: str, role: str) -> bool:
    """Tell whether the document lets this action change the order."""
    return action in ALLOWED and expected(place, action, role)[0] in {200, CREATED}


async def try_what_changes_nothing(cast_: Cast, books: Books, order_id: str, place: str) -> Results:
    """Try every action that is refused or only reads, and check that nothing has changed."""
    results: Results = {}
    before = books.all_about(to_public("ord", uuid.UUID(order_id)))
    for action in ACTIONS:
        for role in ROLES:
            if changes(place, action, role):
                continue
            answer = await cast_.by_role[role].act(order_id, action, Prefer="wait=0")
            status, said = expected(place, action, role)
            if status < 300:
                assert answer.status_code == status, (action, role, answer.text)
                results[action, role] = str(status)
            else:
                assert refusal_of(answer) == (status, said), (action, role)
                results[action, role] = f"{status} {said}"
            after = books.all_about(to_public("ord", uuid.UUID(order_id)))
            assert after == before, (action, role)
    return results


@pytest.mark.parametrize("place", PLACES)
async def test_each_action_is_allowed_only_in_its_states_and_for_its_side(
    cast_: Cast, books: Books, record_property: Record, place: str
) -> None:
    moves = [(a, r) for a in ALLOWED for r in ROLES if changes(place, a, r)]
    way = PLACES[place][1]
    order_id, *others = await asyncio.gather(
        *(cast_.bring(place, way) for _ in range(1 + len(moves)))
    )

    results = await try_what_changes_nothing(cast_, books, order_id, place)
    for moving, (action, role) in zip(others, moves, strict=True):
        answer = await cast_.by_role[role].act(moving, action)
        status, after = expected(place, action, role)
        assert answer.status_code == status, answer.text
        await cast_.shop.quiet(moving)
        assert await cast_.by_role[role].status(moving) == after
        results[action, role] = f"{status} {after}"

    assert set(results) == {(action, role) for action in ACTIONS for role in ROLES}
    draw(record_property, place, results)


@pytest.mark.parametrize("place", MOVING)
async def test_operation_in_progress_keeps_the_status_and_blocks_other_actions(
    cast_: Cast, books: Books, record_property: Record, place: str
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
        await books.until_in_motion(order_id)
        assert await personal.status(order_id) == status
        results = await try_what_changes_nothing(cast_, books, order_id, place)

    ends = {"pay": "paid", "confirm": "completed", "refund": "refunded"}
    await settled(personal, order_id, ends[command])
    await cast_.shop.quiet(order_id)
    draw(record_property, place, results)


async def test_same_key_returns_the_outcome_of_a_202_request(shop: Shop) -> None:
    async with Person.of(shop.stack) as poor, Person.of(shop.stack) as business:
        await asyncio.gather(meet(poor), meet(business))
        order_id = await poor.order(business)
        answers: list[httpx.Response] = []

        async def is_told() -> bool:
            answers.append(await poor.act(order_id, "pay", key="once", Prefer="respond-async"))
            return answers[-1].status_code != 202

        await until(is_told, what="it was not told why paying came to nothing")

        assert refusal_of(answers[-1]) == (422, "insufficient_funds")
        detail = answers[-1].json()["detail"]
        assert detail.pop("deposit")["network"] == "DEVNET"
        facts = {"available": "0.00", "requested": "150.00", "currency": "USD"}
        assert detail == {**facts, "missing": "150.00"}
        assert await poor.status(order_id) == "pending_payment"


async def moved_on(shop: Shop, order_id: str) -> None:
    """Wait until paying has done everything that does not need the chain."""

    async def there() -> bool:
        order = await shop.get(f"/orders/{order_id}")
        escrow = order["escrow"]
        return order["status"] == "ESCROW_CREATING" and escrow["trustlessContractId"] is not None

    await until(there, what="paying did not come as far as the contract")


async def test_books_are_sound_after_all_tests(operator: Operator) -> None:
    await assert_sound(operator)
