"""The rules of webhooks and deliveries: what is sent, when it is retried, when it ends. Pure."""

import datetime as dt
import enum
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from kernel.errors import FailedPrecondition, NotFound

WEBHOOKS_MAX = 20
ALL = "*"
TEST_EVENT = "webhook.test"
DISABLED_EVENT = "webhook.disabled"
# How long both secrets are valid after a rotation.
BOTH_SECRETS = dt.timedelta(hours=24)
# How long deliveries and the list of events are kept. Older events are not sent.
KEPT = dt.timedelta(days=30)
PURGED_AT_ONCE = 1000
# An event that is older than its webhook by at most this is sent, because clocks differ.
SLACK = dt.timedelta(minutes=1)
# The pauses after failed attempts, in seconds; three days in total.
PAUSES = (
    *(5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800),
    *(43_200, 43_200, 43_200, 43_200, 29_845),
)
ANSWER_BYTES = 2048


class WebhookNotFound(NotFound):
    """The marketplace has no such webhook."""

    reason = "WEBHOOK_NOT_FOUND"


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery."""

    reason = "DELIVERY_NOT_FOUND"


class EventNotFound(NotFound):
    """The marketplace has no such event, or it is no longer kept."""

    reason = "EVENT_NOT_FOUND"


class TooManyWebhooks(FailedPrecondition):
    """The marketplace has as many webhooks as it may have."""

    reason = "TOO_MANY_WEBHOOKS"


class WebhookDisabled(FailedPrecondition):
    """The webhook is disabled, so no delivery can be sent to it."""

    reason = "WEBHOOK_DISABLED"


class Why(enum.StrEnum):
    """Why a webhook is not enabled."""

    REQUESTED = "REQUESTED"
    FAILED = "FAILED"


class State(enum.StrEnum):
    """The state of a delivery."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class Trouble(enum.StrEnum):
    """Why an attempt failed."""

    ADDRESS_NOT_ALLOWED = "ADDRESS_NOT_ALLOWED"
    NAME_NOT_RESOLVED = "NAME_NOT_RESOLVED"
    CONNECTION_FAILED = "CONNECTION_FAILED"
    TIMEOUT = "TIMEOUT"
    REDIRECTED = "REDIRECTED"
    STATUS_NOT_2XX = "STATUS_NOT_2XX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A registered URL. secret_number: the number of its newest secret.

    previous_until: until when the previous secret is valid.
    """

    marketplace_id: uuid.UUID
    id: uuid.UUID
    url: str
    event_types: tuple[str, ...]
    description: str
    disabled_why: Why | None
    disabled_at: dt.datetime | None
    secret_number: int
    previous_until: dt.datetime | None
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime

    @property
    def is_enabled(self) -> bool:
        """Whether events are sent to the webhook."""
        return self.disabled_why is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The fields of a webhook that a request changes; None: unchanged."""

    url: str | None = None
    event_types: tuple[str, ...] | None = None
    description: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of an attempt. status: of the answer; 0: no answer. trouble: None: delivered."""

    url: str
    milliseconds: int
    status: int = 0
    answer: str = ""
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The last attempt of a delivery."""

    at: dt.datetime
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event for one webhook. attempts: since the delivery was created or last resent."""

    marketplace_id: uuid.UUID
    id: uuid.UUID
    webhook_id: uuid.UUID
    sequence: int
    event_id: str
    event_type: str
    aggregate_id: str
    body: str
    state: State
    attempts: int
    due_at: dt.datetime
    created_at: dt.datetime
    finished_at: dt.datetime | None
    last: Attempt | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """An event of the list. sequence: its position in the list; body: its JSON."""

    id: str
    sequence: int
    occurred_at: dt.datetime
    body: str

    @property
    def place(self) -> "Where":
        """The event's place in the list."""
        return self.occurred_at, self.sequence


# A place in the list of events: when the event occurred, and its sequence.
Where = tuple[dt.datetime, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsWanted:
    """The filters of a page of events. types: names; empty: all. aggregate_id: empty: all.

    occurred_from: the earliest moment, inclusive. before: the page begins after this place.
    """

    types: Sequence[str]
    aggregate_id: str
    occurred_from: dt.datetime
    before: Where


# An instant before, and a place after every event.
EARLIEST = dt.datetime.min.replace(tzinfo=dt.UTC)
END: Where = (dt.datetime.max.replace(tzinfo=dt.UTC), 2**63 - 1)


def events_wanted(
    *,
    types: Sequence[str],
    aggregate_id: str,
    occurred_from: dt.datetime | None,
    occurred_to: dt.datetime | None,
    after: Where | None,
) -> EventsWanted:
    """Return the filters of a page. occurred_to: exclusive. after: end of the page before."""
    # Sequences begin with 1, so this place excludes every event of that moment.
    before = END if occurred_to is None else (occurred_to, 0)
    return EventsWanted(
        types=types,
        aggregate_id=aggregate_id,
        occurred_from=occurred_from or EARLIEST,
        before=before if after is None else min(before, after),
    )


def is_listed(*, occurred_at: dt.datetime, now: dt.datetime) -> bool:
    """Tell whether an event is young enough for the list. A rebuilt stream has older ones."""
    return occurred_at > now - KEPT


def wants(event_types: Collection[str], event_type: str) -> bool:
    """Tell whether a webhook with these types gets an event: by name, `family.*` or `*`."""
    family = f"{event_type.partition('.')[0]}.*"
    return ALL in event_types or event_type in event_types or family in event_types


def is_due_to(webhook: Webhook, *, occurred_at: dt.datetime, now: dt.datetime) -> bool:
    """Tell whether an event is young enough for a webhook.

    A rebuilt stream contains all events again, with those from before the webhook was registered,
    and those whose deliveries have been purged.
    """
    return occurred_at > max(webhook.created_at - SLACK, now - KEPT)


def pause_after(attempts: int) -> int | None:
    """Return the seconds until the next attempt; None: no more. attempts: failed so far."""
    return PAUSES[attempts - 1] if attempts <= len(PAUSES) else None


def changed(before: Webhook, changes: Changes, *, at: dt.datetime) -> Webhook:
    """Change a webhook. Enabling an enabled one has no effect, nor has disabling a disabled one."""
    after = replace(
        before,
        url=before.url if changes.url is None else changes.url,
        event_types=changes.event_types or before.event_types,
        description=before.description if changes.description is None else changes.description,
        updated_at=at,
    )
    if changes.enabled is None or changes.enabled == before.is_enabled:
        return after
    if changes.enabled:
        return replace(after, disabled_why=None, disabled_at=None)
    return replace(after, disabled_why=Why.REQUESTED, disabled_at=at)


def rotated(before: Webhook, *, at: dt.datetime) -> Webhook:
    """Give a webhook its next secret. The previous secret stays valid for BOTH_SECRETS."""
    return replace(
        before,
        secret_number=before.secret_number + 1,
        previous_until=at + BOTH_SECRETS,
        updated_at=at,
    )


def given_up(before: Webhook, *, at: dt.datetime) -> Webhook:
    """Disable a webhook whose receiver has not answered for three days."""
    return replace(
        before, disabled_why=Why.FAILED, disabled_at=at, updated_at=at, version=before.version + 1
    )


def require_enabled(webhook: Webhook) -> None:
    """Check that events are sent to a webhook. Raises: WebhookDisabled."""
    if not webhook.is_enabled:
        raise WebhookDisabled("The webhook is not enabled")


def require_room(count: int) -> None:
    """Check that a marketplace may have another webhook. Raises: TooManyWebhooks."""
    if count >= WEBHOOKS_MAX:
        raise TooManyWebhooks(f"A marketplace has at most {WEBHOOKS_MAX} webhooks")
