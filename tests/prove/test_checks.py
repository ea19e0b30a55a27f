"""Tests of the checks: each check accepts a correct run and finds its violation."""

import io
import json
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from kernel.ids import to_public
from tests.prove import check_answers, check_list, check_stream
from tests.prove.asking import Answer, Asked, Asker, History
from tests.prove.check_answers import check_replays
from tests.prove.check_books import check_users
from tests.prove.check_chain import Paid, check_contracts
from tests.prove.checking import Check

ORDER = uuid.UUID(int=7)
BUYER, SELLER, MARKET = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)


def broken(checks: list[Check]) -> list[str]:
    return [found.name for found in checks if not found.holds]


# --- users


def users(*, buyer: int = 60, seller: int = 38, **order: Any) -> Check:
    row = {
        "marketplace_id": MARKET,
        "buyer_id": BUYER,
        "seller_id": SELLER,
        "state": "CLOSED",
        "final_status": "RELEASED",
        "amount": 40,
        "released_share": 40,
        "charged_fee": 2,
        **order,
    }
    return check_users(
        deposits=[{"marketplace_id": MARKET, "user_id": BUYER, "amount": 95}],
        credited=[{"marketplace_id": MARKET, "user_id": BUYER, "amount": 5}],
        orders=[row],
        corrections=[],
        accounts=[
            {"marketplace_id": MARKET, "user_id": str(BUYER), "posted": buyer},
            {"marketplace_id": MARKET, "user_id": str(SELLER), "posted": seller},
        ],
    )


@pytest.mark.parametrize(
    "found",
    [
        users(),
        users(final_status="REFUNDED", buyer=100, seller=0),
        users(state="DISPUTED", final_status=None, seller=0),
        users(released_share=10, buyer=90, seller=8),
    ],
)
def test_check_accepts_correct_user_balances(found: Check) -> None:
    assert found.holds


@pytest.mark.parametrize(
    "found",
    [
        users(buyer=61),
        users(seller=39),
        users(final_status="REFUNDED"),
        users(state="IN_PROGRESS", final_status=None, buyer=100, seller=0),
    ],
)
def test_check_finds_a_balance_one_minor_unit_too_high(found: Check) -> None:
    assert not found.holds


# --- contracts


def paid(giver: str, taker: str, amount: int, transaction: str) -> Paid:
    return Paid(giver=giver, taker=taker, amount=amount, hash=transaction)


FUNDED = paid("buyer", "contract", 80, "h1")
RELEASED = [paid("contract", "seller", 79, "h2"), paid("contract", "fee", 1, "h2")]


def contract(state: str, *found: Paid) -> Check:
    row = {"order_id": ORDER, "contract_id": "contract", "state": state, "amount": 80}
    return check_contracts([row], found)


@pytest.mark.parametrize(
    "found",
    [
        contract("CREATED"),
        contract("FUNDED", FUNDED),
        contract("DISPUTED", FUNDED),
        contract("RELEASED", FUNDED, *RELEASED),
    ],
)
def test_check_accepts_a_contract_funded_and_paid_out_once(found: Check) -> None:
    assert found.holds


@pytest.mark.parametrize(
    "found",
    [
        contract("FUNDED", FUNDED, FUNDED),
        contract("FUNDED", FUNDED, paid("buyer", "contract", 80, "h3")),
        contract("FUNDED"),
        contract("FAILED", FUNDED),
        contract("RELEASED", FUNDED),
        contract("FUNDED", FUNDED, *RELEASED),
        contract("RELEASED", FUNDED, *RELEASED, *RELEASED),
        contract("RELEASED", FUNDED, RELEASED[0], paid("contract", "fee", 1, "h3")),
    ],
)
def test_check_finds_wrong_fundings_and_payouts_of_a_contract(found: Check) -> None:
    assert not found.holds


# --- the stream


def heard(version: int, *, name: str = "", payload: str = "") -> tuple[str, dict[str, Any]]:
    body = {
        "metadata": {"marketplaceId": "m"},
        "aggregateType": "Order",
        "aggregateId": "o",
        "version": version,
        "payload": payload,
    }
    return name or f"evt_{version}", body


KEPT = dict([heard(1), heard(2), heard(3)])


def test_check_accepts_an_ordered_stream_with_repeats() -> None:
    told = [heard(1), heard(2), heard(1), heard(3), heard(3)]

    assert broken(check_stream.compare(KEPT, told)) == []


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ([heard(1), heard(2)], "every event is told"),
        (
            [heard(1), heard(2), heard(3), heard(4)],
            "nothing is told that did not happen",
        ),
        (
            [heard(1), heard(3), heard(2)],
            "the events of each aggregate come in order, without a gap",
        ),
        (
            [heard(1), heard(2, payload="x"), heard(3)],
            "every event is told as it is kept",
        ),
    ],
)
def test_check_finds_a_stream_that_differs_from_the_outboxes(
    told: list[tuple[str, dict[str, Any]]], named: str
) -> None:
    assert named in broken(check_stream.compare(KEPT, told))


# --- the list of events


def test_check_accepts_a_list_as_the_outboxes_in_any_order() -> None:
    assert broken(check_list.compare(KEPT, dict(reversed(KEPT.items())))) == []


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        ([heard(1), heard(2)], "every event is in the list of events"),
        ([heard(1), heard(2), heard(3), heard(4)], "nothing is listed that did not happen"),
        ([heard(1), heard(2, payload="x"), heard(3)], "every event is listed as it is kept"),
    ],
)
def test_check_finds_a_list_that_differs_from_the_outboxes(
    listed: list[tuple[str, dict[str, Any]]], named: str
) -> None:
    assert named in broken(check_list.compare(KEPT, dict(listed)))


# --- answers


def history(*asked: Asked) -> History:
    made = History(io.StringIO())
    made.asked += asked
    return made


def asked(op: str, *, at: tuple[float, float] = (10.0, 11.0), **data: Any) -> Asked:
    order = to_public("ord", ORDER)
    text = json.dumps({"data": {"id": order, "status": "IN_PROGRESS", **data}})
    return Asked(
        op=op,
        who="demo",
        path=f"/{op}",
        body=None,
        key="key",
        order=order,
        at=at,
        answer=Answer(status=200, code="", text=text),
    )


def test_only_the_operator_abandons_payouts() -> None:
    refusal = {"error": {"code": "PROVIDER_ERROR", "message": "The payout was abandoned"}}
    answer = Answer(status=502, code="PROVIDER_ERROR", text=json.dumps(refusal))
    history = History(
        io.StringIO(), asked=[asked("release"), replace(asked("release"), answer=answer)]
    )
    order = to_public("ord", ORDER)

    assert check_answers.check_abandoned(history, {order}).holds
    assert not check_answers.check_abandoned(history, set()).holds


ROW = {
    "reserved_at": 1,
    "escrow_id": 1,
    "funded_at": 1,
    "delivered_at": 1,
    "confirmed_at": 1,
    "closed_at": 1,
    "final_status": "RELEASED",
    "dispute_id": 1,
    "dispute_decision": "SPLIT",
    "title": "proof 1 1",
    "contract_terms_json": None,
}
SEEN = [
    asked("create"),
    asked("reserve"),
    asked("escrow"),
    asked("fund"),
    asked("pay"),
    asked("deliver"),
    asked("confirm"),
    asked("release"),
    asked("dispute"),
    asked("resolve", decision="SPLIT"),
    asked("credit", reference="r"),
    asked("user", id="u"),
]


def answered(*found: Asked, lost: tuple[float, float] = (0.0, 0.0), **row: Any) -> list[str]:
    rows = {str(ORDER): {**ROW, **row}} if row.pop("is_there", True) else {}
    checks = check_answers.compare(history(*found), [lost], rows=rows, users={"u"}, credited={"r"})
    return broken(checks)


def test_check_accepts_changes_that_are_in_the_books() -> None:
    assert answered(*SEEN) == []
    assert answered(asked("cancel"), final_status="CANCELED") == []
    assert answered(asked("refund"), final_status="REFUNDED") == []


@pytest.mark.parametrize(
    ("found", "row"),
    [
        (asked("create"), {"is_there": False}),
        (asked("reserve"), {"reserved_at": None}),
        (asked("escrow"), {"escrow_id": None}),
        (asked("fund"), {"funded_at": None}),
        (asked("pay"), {"funded_at": None}),
        (asked("deliver"), {"delivered_at": None}),
        (asked("confirm"), {"confirmed_at": None}),
        (asked("release"), {"final_status": "REFUNDED"}),
        (asked("refund"), {"final_status": "RELEASED"}),
        (asked("cancel"), {"final_status": None}),
        (asked("dispute"), {"dispute_id": None}),
        (asked("resolve", decision="SPLIT"), {"dispute_decision": "FULL_REFUND"}),
        (asked("credit", reference="other"), {}),
        (asked("user", id="other"), {}),
    ],
)
def test_check_finds_an_acknowledged_change_that_is_not_in_the_books(
    found: Asked, row: dict[str, Any]
) -> None:
    assert answered(found, **row) == ["every acknowledged change is there"]


@pytest.mark.parametrize(
    ("lost", "is_wrong"),
    [((0, 9), True), ((12, 20), True), ((0, 10.5), False), ((10.5, 12), False)],
)
def test_change_may_be_missing_only_if_a_restore_may_have_lost_it(
    lost: tuple[float, float], *, is_wrong: bool
) -> None:
    wrong = answered(asked("reserve"), lost=lost, reserved_at=None)

    assert wrong == (["every acknowledged change is there"] if is_wrong else [])


# --- clients


def asker(*answers: httpx.Response | type[httpx.HTTPError]) -> Asker:
    """Make a client whose requests are answered so, one after the other."""
    script: Iterator[httpx.Response | type[httpx.HTTPError]] = iter(answers)

    def respond(_request: httpx.Request) -> httpx.Response:
        found = next(script)
        if isinstance(found, httpx.Response):
            return found
        raise found("lost")

    transport = httpx.MockTransport(respond)
    client = httpx.AsyncClient(transport=transport, base_url="http://shop.example")
    return Asker(name="demo", client=client, history=history())


def answer(status: int, code: str = "", **headers: str) -> httpx.Response:
    body = {"error": {"code": code}} if code else {"data": {"id": "x"}}
    return httpx.Response(status, json=body, headers=headers)


class Calm(random.Random):
    """Draws what is asked for once, and at once."""

    def __init__(self, drawn: float) -> None:
        super().__init__(1)
        self.drawn = drawn

    def random(self) -> float:
        return self.drawn

    def uniform(self, _a: float, _b: float) -> float:
        return 0.0


async def test_client_retries_until_the_answer_is_definite() -> None:
    client = asker(
        httpx.ReadTimeout,
        answer(503, "PROVIDER_UNAVAILABLE"),
        answer(202),
        answer(409, "IDEMPOTENCY_KEY_IN_PROGRESS"),
        answer(409, "INVALID_STATE", **{"Retry-After": "1"}),
        answer(429, "RATE_LIMITED"),
        answer(201),
    )

    found = await client.change("create", "/orders", {}, rnd=Calm(0.9))

    assert found.status == 201
    assert [one.answer.status for one in client.history.asked] == [201]


async def test_a_refusal_is_definite() -> None:
    client = asker(answer(409, "INVALID_STATE"))

    found = await client.change("cancel", "/orders/x/cancel", {}, rnd=Calm(0.9))

    assert (found.status, found.code, found.is_success) == (409, "INVALID_STATE", False)


@pytest.mark.parametrize(("second", "differ"), [("x", 0), ("y", 1)])
async def test_different_answers_to_concurrent_repeats_are_recorded(
    second: str, differ: int
) -> None:
    client = asker(answer(200), httpx.Response(200, json={"data": {"id": second}}))

    await client.change("reserve", "/orders/x/reserve", {}, rnd=Calm(0.01))

    assert len(client.history.twins_that_differ) == differ


@pytest.mark.parametrize(
    ("again", "holds"),
    [
        (lambda found: httpx.Response(200, text=found.answer.text), True),
        (lambda found: httpx.Response(200, text=found.answer.text + " "), False),
        (lambda _found: answer(404, "ORDER_NOT_FOUND"), False),
    ],
)
async def test_check_finds_a_replay_that_differs_from_the_first_answer(
    again: Callable[[Asked], httpx.Response], *, holds: bool
) -> None:
    found = asked("reserve")

    checked = await check_replays({"demo": asker(again(found))}, history(found), [])

    assert checked.holds is holds
