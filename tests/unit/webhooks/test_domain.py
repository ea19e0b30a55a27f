"""Which events a webhook gets, the pauses between attempts, and a webhook's secrets."""

import datetime as dt
import uuid

import pytest

from services.webhooks import domain
from services.webhooks.domain import PAUSES, Changes, Webhook, Why
from services.webhooks.signing import Secrets

NOW = dt.datetime(2026, 2, 18, 10, tzinfo=dt.UTC)
WEBHOOK = Webhook(
    marketplace_id=uuid.UUID(int=1),
    id=uuid.UUID(int=2),
    url="https://shop.example.com/",
    event_types=("order.*",),
    description="",
    disabled_why=None,
    disabled_at=None,
    secret_number=1,
    previous_until=None,
    version=0,
    created_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("types", "event_type", "is_wanted"),
    [
        (("order.created",), "order.created", True),
        (("order.created",), "order.closed", False),
        (("order.*",), "order.closed", True),
        (("order.*",), "offer.created", False),
        (("*",), "webhook.disabled", True),
    ],
)
def test_webhook_subscribes_to_types_families_or_all(
    types: tuple[str, ...], event_type: str, *, is_wanted: bool
) -> None:
    assert domain.wants(types, event_type) is is_wanted


def test_attempts_continue_for_three_days() -> None:
    pauses = [domain.pause_after(number) for number in range(1, len(PAUSES) + 2)]
    assert pauses == [*PAUSES, None]
    assert sum(PAUSES) == 3 * 86_400


def test_events_from_before_the_webhook_or_too_old_are_not_sent() -> None:
    later = NOW + dt.timedelta(days=40)
    assert domain.is_due_to(WEBHOOK, occurred_at=NOW, now=NOW)
    assert not domain.is_due_to(WEBHOOK, occurred_at=NOW - dt.timedelta(minutes=2), now=NOW)
    assert not domain.is_due_to(WEBHOOK, occurred_at=NOW, now=later)
    assert domain.is_due_to(WEBHOOK, occurred_at=later, now=NOW), "of a clock that was moved"


def test_a_webhook_is_disabled_and_enabled_again() -> None:
    off = domain.changed(WEBHOOK, Changes(enabled=False), at=NOW)
    assert (off.disabled_why, off.disabled_at) == (Why.REQUESTED, NOW)
    assert domain.changed(off, Changes(enabled=False), at=NOW + dt.timedelta(1)).disabled_at == NOW
    on = domain.changed(domain.given_up(WEBHOOK, at=NOW), Changes(enabled=True), at=NOW)
    assert on.is_enabled


def test_secrets_differ_by_webhook_number_and_key() -> None:
    one = Secrets("a" * 32)
    found = {
        one.secret(WEBHOOK.marketplace_id, WEBHOOK.id, 1),
        one.secret(WEBHOOK.marketplace_id, WEBHOOK.id, 2),
        one.secret(WEBHOOK.marketplace_id, uuid.UUID(int=3), 1),
        Secrets("b" * 32).secret(WEBHOOK.marketplace_id, WEBHOOK.id, 1),
    }
    assert len(found) == 4
    assert all(secret.startswith("whsec_") and len(secret) == 50 for secret in found)
