"""An unavailable part is reported in time, in the documented format; accepted work continues."""

import asyncio
import uuid

import httpx
import pytest

from tests.e2e.frozen import frozen, killed
from tests.shop import Pair, Shop, data_of, error_of, until

# Nobody waits for ever: a refusal comes within the request's own deadline and some slack.
ANSWER_SECONDS = 30


@pytest.fixture(scope="module")
async def pair(shop: Shop) -> Pair:
    return await shop.pair(amount="10000.00")


@pytest.mark.parametrize(
    ("part", "how", "state", "command", "after"),
    [
        ("orders", "hangs", "ORDER_CREATED", "reserve", "FUNDS_RESERVED"),
        ("ledger", "hangs", "ORDER_CREATED", "reserve", "FUNDS_RESERVED"),
        ("escrow", "hangs", "FUNDS_RESERVED", "escrow", "ESCROW_CREATING"),
        ("disputes", "hangs", "IN_PROGRESS", "dispute", "DISPUTED"),
        ("orders", "was killed", "ORDER_CREATED", "reserve", "FUNDS_RESERVED"),
        ("escrow", "was killed", "FUNDS_RESERVED", "escrow", "ESCROW_CREATING"),
    ],
)
async def test_unavailable_service_is_reported_in_time_and_work_continues_when_it_returns(
    shop: Shop, pair: Pair, part: str, how: str, state: str, command: str, after: str
) -> None:
    order_id, key = await shop.order_in(state, pair), str(uuid.uuid4())
    away = frozen if how == "hangs" else killed
    with away(shop.stack, part):
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await shop.act(order_id, command, key=key, Prefer="wait=2")

    assert_told(answer)

    async def answered() -> bool:
        again = await shop.act(order_id, command, key=key)
        if again.status_code != 200:
            assert words(again) in ON_THE_WAY
            return False
        assert data_of(again)["status"] == after
        return True

    await until(answered, what=f"{command} was not carried out")
    assert (await shop.quiet(order_id))["status"] == after


# What the request may be told until the part is back: that it runs, or that the part is away.
ON_THE_WAY = frozenset(
    {
        "202",
        "409 IDEMPOTENCY_KEY_IN_PROGRESS",
        "502 PROVIDER_RATE_LIMITED",
        "503 PROVIDER_UNAVAILABLE",
        "504 PROVIDER_TIMEOUT",
    }
)


def words(answer: httpx.Response) -> str:
    """Summarize a response: its status, and the error code."""
    if answer.is_success:
        return str(answer.status_code)
    return f"{answer.status_code} {error_of(answer, status=answer.status_code)['code']}"


def assert_told(answer: httpx.Response) -> None:
    """Check that a response says: accepted and still running, unavailable, or outcome unknown."""
    if answer.status_code == 202:
        assert data_of(answer)["operation"]["state"] == "RUNNING"
        return
    codes = {503: "PROVIDER_UNAVAILABLE", 504: "PROVIDER_TIMEOUT"}
    assert answer.status_code in codes, answer.text
    error = error_of(answer, status=answer.status_code)
    assert error["code"] == codes[answer.status_code]
    assert answer.headers["retry-after"] == "1"
