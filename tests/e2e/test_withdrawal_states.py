"""Every command on a withdrawal in every state, over REST.

An allowed command moves the withdrawal. Every other one is refused with the state, and changes
nothing: not the withdrawal, its events or its payment, and not the books.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from orchestrator.escrow.v1.escrow_pb2 import FLOW_PAYMENTS, ResumeFlowRequest, StopFlowRequest

from deploy.local.devnet import network_info
from deploy.operator.client import Operator
from services.orders.withdrawals.domain import State
from tests.books import Books, assert_sound
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.e2e.test_withdrawals import asked, ended, freezing, issuer_of
from tests.integration.escrow.strangers import Stranger
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, error_of, until

Body = dict[str, Any]
# What each command is refused with. An approval needs a rule of the marketplace, which the tests of
# the rules set; without one, no withdrawal waits for it.
REFUSALS = {
    "commit": "WITHDRAWAL_NOT_COMMITTABLE",
    "cancel": "INVALID_STATE",
    "approve": "WITHDRAWAL_NOT_APPROVABLE",
}
ALLOWED = {("CREATED", "commit"): "COMPLETED", ("CREATED", "cancel"): "CANCELED"}
WITH_A_RULE = frozenset({"AWAITING_APPROVAL"})
STOPPED: Body = {"reason": "A test", "flow": FLOW_PAYMENTS}


@pytest.fixture(scope="module")
async def own(stack: RunningStack) -> AsyncIterator[Tenant]:
    """A marketplace of these tests alone."""
    async with key_store(stack) as store:
        yield await tenant(stack, store)


@pytest.fixture(scope="module")
async def shop(own: Tenant) -> AsyncIterator[Shop]:
    async with own.shop() as opened:
        yield opened


@pytest.fixture(scope="module")
async def operator(own: Tenant) -> AsyncIterator[Operator]:
    async with own.operator() as opened:
        yield opened


@pytest.fixture(scope="module")
async def user(shop: Shop) -> str:
    found = await shop.user()
    await shop.give(found, "200.00")
    return found


@pytest.fixture(scope="module")
async def outside(stack: RunningStack) -> Stranger:
    found = Stranger(network_info(stack.document["devnetUrl"]))
    await found.come(amount="1.0000000")
    return found


async def commands(shop: Shop) -> set[str]:
    """Return what the API can do to a withdrawal."""
    document = (await shop.client.get(f"{shop.stack.document['url']}/openapi.json")).json()
    head = "/withdrawals/{id}/"
    return {path.split(head)[1] for path in document["paths"] if head in path}


async def brought(shop: Shop, user: str, outside: Stranger, state: str) -> str:
    """Bring a withdrawal to a state; while payments are stopped, a committed one stays PENDING."""
    body = asked(user, outside.address, amount="10.00")
    made = str(data_of(await shop.post("/withdrawals", body), status=201)["id"])
    if state == "CANCELED":
        data_of(await shop.post(f"/withdrawals/{made}/cancel"))
    elif state != "CREATED":
        data_of(await shop.post(f"/withdrawals/{made}/commit", Prefer="wait=0"), status=202)

        async def is_held() -> bool:
            return bool((await shop.get(f"/withdrawals/{made}"))["status"] == "PENDING")

        await until(is_held, what="the amount was not held")
    return made


async def facts(shop: Shop, books: Books, user: str, withdrawal: str) -> list[Any]:
    """Return everything that a refused command must not change."""
    return [
        await shop.get(f"/withdrawals/{withdrawal}"),
        books.told(withdrawal),
        books.payments_out(withdrawal),
        await shop.balance(user),
    ]


async def assert_refused(
    shop: Shop, books: Books, user: str, withdrawal: str, command: str
) -> None:
    """Give a command twice with one key; both are refused alike, and nothing changes."""
    before = await facts(shop, books, user, withdrawal)
    key = f"{withdrawal} {command} {before[0]['status']}"
    answers = [await shop.post(f"/withdrawals/{withdrawal}/{command}", key=key) for _ in range(2)]

    error = error_of(answers[0], status=409)
    assert error["code"] == REFUSALS[command]
    assert error["details"]["currentState"] == before[0]["status"]
    assert answers[1].text == answers[0].text
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert await facts(shop, books, user, withdrawal) == before


async def test_each_state_allows_only_the_documented_commands(
    shop: Shop, operator: Operator, stack: RunningStack, user: str, outside: Stranger
) -> None:
    books, known = Books(stack), await commands(shop)
    assert {"commit", "cancel"} <= known <= set(REFUSALS)
    reached: dict[str, list[str]] = {}

    await operator.flows(StopFlowRequest(**STOPPED))
    try:
        for state in ("CREATED", "CANCELED", "PENDING"):
            reached[state] = [await brought(shop, user, outside, state)]
        for withdrawal in reached["PENDING"]:
            for command in known:
                await assert_refused(shop, books, user, withdrawal, command)
        reached["COMPLETED"] = reached.pop("PENDING")
        gone = Stranger(network_info(stack.document["devnetUrl"]))
        await gone.come(amount="1.0000000")
        reached["FAILED"] = [await brought(shop, user, gone, "PENDING")]
        await issuer_of(network_info(stack.document["devnetUrl"])).send(freezing(gone))
    finally:
        await operator.flows(ResumeFlowRequest(**STOPPED))
    for state in ("COMPLETED", "FAILED"):
        assert (await ended(shop, reached[state][0]))["status"] == state
    for state, [withdrawal] in reached.items():
        for command in known:
            if (state, command) not in ALLOWED:
                await assert_refused(shop, books, user, withdrawal, command)

    assert {*reached, "PENDING"} == {state.value for state in State} - WITH_A_RULE
    for (state, command), after in ALLOWED.items():
        withdrawal = await brought(shop, user, outside, state)
        moved = data_of(await shop.post(f"/withdrawals/{withdrawal}/{command}"), status=200)
        assert (moved["status"], moved["inProgress"]) == (after, False)
    await assert_sound(operator)
