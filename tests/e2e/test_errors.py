"""Every error code of the marketplace API, produced over REST on a running stack.

Each test checks status, code, details and headers.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest

from gateway.keys import make
from kernel.ids import new_id, to_public
from tests.e2e.frozen import frozen
from tests.e2e.tenants import client_of
from tests.identities import key_file
from tests.replica import another_gateway
from tests.shop import PRICE, Pair, Shop, data_of, error_of, nothing_is_sent, until

# Nobody waits for ever: a refusal comes within the request's own deadline and some slack.
ANSWER_SECONDS = 30
Trial = Callable[[Shop, Pair], Awaitable[httpx.Response]]
# Code → status, and what is asked.
TRIALS: dict[str, tuple[int, Trial]] = {}


def meets(code: str, status: int) -> Callable[[Trial], Trial]:
    """Describe the error that a request gets."""

    def register(trial: Trial) -> Trial:
        TRIALS[code] = (status, trial)
        return trial

    return register


# Reference §4. ESCROW_NOT_FOUND is told by the escrow service alone: no path names an escrow.
CODES = {
    *("UNAUTHORIZED", "INVALID_API_KEY", "INSUFFICIENT_SCOPE"),
    *("ORDER_NOT_FOUND", "USER_NOT_FOUND", "DISPUTE_NOT_FOUND"),
    *("INVALID_STATE", "DISPUTE_ALREADY_OPEN", "ESCROW_ALREADY_EXISTS", "ESCROW_NOT_READY"),
    *("VALIDATION_ERROR", "INVALID_AMOUNT_FORMAT", "INVALID_CURRENCY", "MISSING_REQUIRED_FIELD"),
    *("INSUFFICIENT_FUNDS", "RESERVE_MISMATCH_AMOUNT", "RATE_LIMITED"),
    *("IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_PROGRESS"),
    *("PROVIDER_ERROR", "PROVIDER_TIMEOUT", "PROVIDER_RATE_LIMITED", "PROVIDER_UNAVAILABLE"),
    "INTERNAL_ERROR",
}


@pytest.fixture(scope="module")
async def pair(shop: Shop) -> Pair:
    return await shop.pair(amount="10000.00")


@contextlib.asynccontextmanager
async def fault(shop: Shop, **description: Any) -> AsyncIterator[None]:
    """Inject a chain fault for the block."""
    url = f"{shop.stack.document['devnetUrl']}/faults"
    (await shop.client.post(url, json=description)).raise_for_status()
    try:
        yield
    finally:
        (await shop.client.delete(url)).raise_for_status()


def order_body(pair: Pair, **changed: Any) -> dict[str, Any]:
    body = {"buyerId": pair.buyer, "sellerId": pair.seller, "amount": PRICE, "title": "Logo"}
    return {**body, **changed}


@meets("UNAUTHORIZED", 401)
async def no_credential(shop: Shop, _pair: Pair) -> httpx.Response:
    async with client_of(shop.stack, None) as nobody:
        return await nobody.get("/orders")


@meets("INVALID_API_KEY", 401)
async def a_key_nobody_gave_out(shop: Shop, _pair: Pair) -> httpx.Response:
    async with client_of(shop.stack, make("live")[1]) as nobody:
        return await nobody.get("/orders")


@meets("INSUFFICIENT_SCOPE", 403)
async def a_key_that_may_only_read(shop: Shop, pair: Pair) -> httpx.Response:
    made = data_of(await shop.post("/auth/api-keys", {"scopes": ["read"]}), status=201)
    async with client_of(shop.stack, made["key"]) as reader:
        return await reader.post("/orders", json=order_body(pair))


@meets("ORDER_NOT_FOUND", 404)
async def an_order_of_nobody(shop: Shop, _pair: Pair) -> httpx.Response:
    return await shop.client.get(f"/orders/{to_public('ord', new_id())}")


@meets("USER_NOT_FOUND", 404)
async def a_buyer_of_nobody(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.post("/orders", order_body(pair, buyerId="nobody"))


@meets("DISPUTE_NOT_FOUND", 404)
async def a_dispute_of_nobody(shop: Shop, _pair: Pair) -> httpx.Response:
    body = {"decision": "FULL_REFUND"}
    return await shop.post(f"/disputes/{to_public('dsp', new_id())}/resolve", body)


@meets("INVALID_STATE", 409)
async def a_release_before_anything_was_paid(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.act(await shop.order(pair), "release")


@meets("DISPUTE_ALREADY_OPEN", 409)
async def a_second_dispute(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.act(await shop.order_in("DISPUTED", pair), "dispute")


@meets("ESCROW_ALREADY_EXISTS", 409)
async def a_second_escrow(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.act(await shop.order_in("ESCROW_CREATING", pair), "escrow")


@meets("ESCROW_NOT_READY", 409)
async def funding_what_is_being_deployed(shop: Shop, pair: Pair) -> httpx.Response:
    order_id = await shop.order_in("FUNDS_RESERVED", pair)
    async with nothing_is_sent(shop.stack):
        data_of(await shop.act(order_id, "escrow"), status=200)
        return await shop.act(order_id, "fund", Prefer="wait=1")


@meets("VALIDATION_ERROR", 400)
async def a_title_that_is_too_long(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.post("/orders", order_body(pair, title="x" * 256))


@meets("INVALID_AMOUNT_FORMAT", 400)
async def an_amount_without_cents(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.post("/orders", order_body(pair, amount="80"))


@meets("INVALID_CURRENCY", 400)
async def a_currency_nobody_settles(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.post("/orders", order_body(pair, currency="EUR"))


@meets("MISSING_REQUIRED_FIELD", 400)
async def fields_left_out(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.post("/orders", {"buyerId": pair.buyer, "sellerId": pair.seller})


@meets("INSUFFICIENT_FUNDS", 422)
async def more_than_there_is(shop: Shop, _pair: Pair) -> httpx.Response:
    poor = await shop.pair(amount="5.00")
    return await shop.act(await shop.order(poor), "reserve")


@meets("RESERVE_MISMATCH_AMOUNT", 422)
async def another_amount_than_the_orders(shop: Shop, pair: Pair) -> httpx.Response:
    return await shop.post(f"/orders/{await shop.order(pair)}/reserve", {"amount": "80.01"})


@meets("IDEMPOTENCY_KEY_REUSED", 409)
async def a_key_of_another_request(shop: Shop, pair: Pair) -> httpx.Response:
    key = str(uuid.uuid4())
    data_of(await shop.post("/orders", order_body(pair), key=key), status=201)
    return await shop.post("/orders", order_body(pair, title="Other"), key=key)


@meets("IDEMPOTENCY_KEY_IN_PROGRESS", 409)
async def a_key_whose_request_still_runs(shop: Shop, pair: Pair) -> httpx.Response:
    order_id, key = await shop.order_in("IN_PROGRESS", pair), str(uuid.uuid4())
    async with nothing_is_sent(shop.stack):
        first = asyncio.create_task(shop.act(order_id, "release", key=key))

        async def begun() -> bool:
            return bool((await shop.get(f"/orders/{order_id}"))["status"] == "RELEASE_REQUESTED")

        await until(begun, what="the release did not begin")
        answer = await shop.act(order_id, "release", key=key)
    data_of(await first, status=200)
    return answer


@meets("RATE_LIMITED", 429)
async def one_request_too_many(shop: Shop, _pair: Pair) -> httpx.Response:
    with another_gateway(shop.stack, RATE_LIMIT_PER_MINUTE="2") as url:
        async with client_of(shop.stack, shop.stack.document["apiKey"], url=url) as client:
            for left in ("1", "0"):
                answer = await client.get("/me")
                assert answer.headers["x-ratelimit-remaining"] == left
            return await client.get("/me")


@meets("PROVIDER_ERROR", 502)
async def what_the_chain_refuses(shop: Shop, pair: Pair) -> httpx.Response:
    order_id = await shop.order_in("ESCROW_CREATING", pair)
    async with fault(shop, kind="fail_at_apply", function="fund_escrow", count=3):
        return await shop.act(order_id, "fund")


@meets("PROVIDER_TIMEOUT", 504)
async def a_service_that_hangs(shop: Shop, pair: Pair) -> httpx.Response:
    with frozen(shop.stack, "ledger"):
        return await shop.client.get(f"/users/{pair.buyer}/balance")


@meets("PROVIDER_RATE_LIMITED", 502)
async def a_node_that_takes_no_more_requests(shop: Shop, pair: Pair) -> httpx.Response:
    description = {"kind": "rpc_down", "function": "getLedgerEntries", "mode": "429"}
    async with fault(shop, **description, count=1000):
        return await shop.client.get(f"/users/{pair.buyer}/wallet")


@meets("PROVIDER_UNAVAILABLE", 503)
async def a_node_that_is_away(shop: Shop, pair: Pair) -> httpx.Response:
    async with fault(shop, kind="rpc_down", function="getLedgerEntries", count=1000):
        return await shop.client.get(f"/users/{pair.buyer}/wallet")


@meets("INTERNAL_ERROR", 500)
async def services_that_do_not_know_their_gateway(shop: Shop, _pair: Pair) -> httpx.Response:
    with another_gateway(shop.stack, IDENTITY_KEY_FILE=str(key_file("gateway"))) as url:
        async with client_of(shop.stack, shop.stack.document["apiKey"], url=url) as client:
            return await client.get("/orders", headers={"X-Request-Id": "request-7"})


def test_every_documented_error_code_is_tested() -> None:
    assert set(TRIALS) == CODES


@pytest.mark.parametrize("code", sorted(CODES))
async def test_error_has_documented_code_status_details_and_headers(
    shop: Shop, pair: Pair, code: str
) -> None:
    status, trial = TRIALS[code]

    async with asyncio.timeout(ANSWER_SECONDS):
        answer = await trial(shop, pair)

    error = error_of(answer, status=status)
    assert error["code"] == code
    assert error["message"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    DETAILS.get(code, no_details)(error["details"], pair)
    for name, value in HEADERS.get(code, {}).items():
        assert answer.headers[name] == value, name
    if "retryAfter" in error["details"]:
        assert answer.headers["retry-after"] == str(error["details"]["retryAfter"])


HEADERS: Mapping[str, Mapping[str, str]] = {
    "UNAUTHORIZED": {"www-authenticate": "Bearer"},
    "INVALID_API_KEY": {"www-authenticate": "Bearer"},
    "RATE_LIMITED": {"x-ratelimit-limit": "2", "x-ratelimit-remaining": "0"},
    "IDEMPOTENCY_KEY_IN_PROGRESS": {"retry-after": "1"},
    "PROVIDER_ERROR": {"retry-after": "1"},
    "PROVIDER_RATE_LIMITED": {"retry-after": "1"},
    "PROVIDER_TIMEOUT": {"retry-after": "1"},
    "PROVIDER_UNAVAILABLE": {"retry-after": "1"},
    "INTERNAL_ERROR": {"x-request-id": "request-7"},
}
Look = Callable[[Any, Pair], None]


def no_details(details: Any, _pair: Pair) -> None:
    assert details == {}


def exactly(**expected: Any) -> Look:
    def look(details: Any, _pair: Pair) -> None:
        assert details == expected

    return look


def wait_of_at_most(seconds: int, **expected: Any) -> Look:
    def look(details: Any, _pair: Pair) -> None:
        assert 1 <= details["retryAfter"] <= seconds
        assert details == {"retryAfter": details["retryAfter"], **expected}

    return look


def in_state(current: str, **expected: Any) -> Look:
    def look(details: Any, _pair: Pair) -> None:
        assert details.pop("orderId").startswith("ord_")
        assert details == {"currentState": current, **expected}

    return look


def named(*fields: str) -> Look:
    def look(details: Any, _pair: Pair) -> None:
        assert set(details) == {"fields"}
        assert [found["field"] for found in details["fields"]] == list(fields)
        assert all(found["message"] for found in details["fields"])

    return look


DETAILS: Mapping[str, Look] = {
    "INSUFFICIENT_SCOPE": exactly(required_scope="write", current_scopes=["read"]),
    "USER_NOT_FOUND": exactly(userId="nobody"),
    "INVALID_STATE": in_state("ORDER_CREATED", allowedStates=["IN_PROGRESS"]),
    "DISPUTE_ALREADY_OPEN": in_state("DISPUTED"),
    "ESCROW_ALREADY_EXISTS": in_state("ESCROW_CREATING"),
    "ESCROW_NOT_READY": in_state(
        "ESCROW_CREATING", allowedStates=["ESCROW_CREATING"], operation="CREATE_ESCROW"
    ),
    "RESERVE_MISMATCH_AMOUNT": exactly(requested="80.01", orderAmount=PRICE),
    "PROVIDER_ERROR": exactly(reason="INVOKE_HOST_FUNCTION_TRAPPED"),
    "VALIDATION_ERROR": named("title"),
    "INVALID_AMOUNT_FORMAT": named("amount"),
    "INVALID_CURRENCY": named("currency"),
    "MISSING_REQUIRED_FIELD": named("amount", "title"),
    "INSUFFICIENT_FUNDS": exactly(available="5.00", requested=PRICE, currency="USDC"),
    "RATE_LIMITED": wait_of_at_most(30, limit=2, window=60),
    "INTERNAL_ERROR": exactly(requestId="request-7"),
}
