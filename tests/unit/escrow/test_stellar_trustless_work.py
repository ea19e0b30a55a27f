"""Requests to the provider, in its field names and units, and the quota of requests."""

import asyncio
import json

import pytest

from kernel.money import CENT, UNIT
from services.escrow.ports import TrustlessWorkOptions
from services.escrow.stellar import quota
from services.escrow.stellar.quota import Quota, QuotaExhausted
from services.escrow.stellar.trustless_work import request_of, tokens
from tests.unit.escrow.stellar_envelopes import BUYER, ESCROW, INTENTS, PLATFORM, SELLER

SINGLE = "/escrow/single-release"
REQUESTS = {
    "deploy_escrow": (
        "/deployer/single-release",
        {
            "signer": PLATFORM,
            "engagementId": "ord_1",
            "title": "Title",
            "description": "Words",
            "roles": {
                "approver": BUYER,
                "serviceProvider": SELLER,
                "platformAddress": PLATFORM,
                "releaseSigner": BUYER,
                "disputeResolver": PLATFORM,
                "receiver": SELLER,
            },
            "amount": 80,
            "platformFee": 1.5,
            "milestones": [{"description": "First"}, {"description": "Second"}],
        },
    ),
    "fund_escrow": (
        f"{SINGLE}/fund-escrow",
        {"contractId": ESCROW, "signer": BUYER, "amount": 80},
    ),
    "change_milestone_status": (
        f"{SINGLE}/change-milestone-status",
        {
            "contractId": ESCROW,
            "milestoneIndex": "1",
            "newStatus": "done",
            "serviceProvider": SELLER,
        },
    ),
    "approve_milestone": (
        f"{SINGLE}/approve-milestone",
        {"contractId": ESCROW, "milestoneIndex": "1", "approver": BUYER},
    ),
    "release_funds": (
        f"{SINGLE}/release-funds",
        {"contractId": ESCROW, "releaseSigner": BUYER},
    ),
    "dispute_escrow": (f"{SINGLE}/dispute-escrow", {"contractId": ESCROW, "signer": BUYER}),
    "resolve_dispute": (
        f"{SINGLE}/resolve-dispute",
        {
            "contractId": ESCROW,
            "disputeResolver": PLATFORM,
            "distributions": [
                {"address": BUYER, "amount": 30},
                {"address": SELLER, "amount": 50},
            ],
        },
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_request_has_the_documented_path_and_body(name: str) -> None:
    assert request_of(INTENTS[name]) == REQUESTS[name]  # type: ignore[arg-type] # escrow calls


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (80 * UNIT, "80"),
        (CENT, "0.01"),
        (999_999_999_999 * UNIT + 99 * CENT, "999999999999.99"),
        (1, "1e-07"),
        (123_456_7, "0.1234567"),
    ],
)
def test_amounts_are_numbers_of_tokens(amount: int, text: str) -> None:
    assert json.dumps(tokens(amount)) == text


def test_amount_without_an_exact_json_number_is_refused() -> None:
    with pytest.raises(ValueError, match="no exact JSON number"):
        tokens(999_999_999_999 * UNIT + 1_234_567)


def test_api_key_is_not_in_the_repr() -> None:
    assert "hunter2" not in repr(TrustlessWorkOptions(url="http://x", api_key="hunter2"))


async def test_quota_admits_its_limit_and_then_lets_callers_wait() -> None:
    limited = Quota(limit=3, wait_seconds=0)

    taken = [limited.take_now() for _ in range(4)]

    assert taken == [True, True, True, False]
    with pytest.raises(QuotaExhausted):
        await limited.take()


async def test_taken_quota_is_free_again_after_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quota, "WINDOW_SECONDS", 0.05)
    limited = Quota(limit=2, wait_seconds=5)
    loop = asyncio.get_running_loop()
    start = loop.time()

    await asyncio.gather(*(limited.take() for _ in range(6)))

    # Three windows of two: the last pair waits for two windows to pass.
    assert loop.time() - start >= 0.1
