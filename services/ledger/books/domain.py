"""The result of a check of a marketplace's books. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from services.ledger.book import Invariant


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetMoney:
    """The money of a marketplace in one asset, in minor units, without the platform's own.

    available, reserved: of all users. in_suspense: deposits that are not credited to a user yet.
    """

    asset: str
    available: int
    reserved: int
    in_escrow: int
    in_suspense: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The books at one moment. took_milliseconds: the duration of the check."""

    at: dt.datetime
    took_milliseconds: int
    money: Sequence[AssetMoney]
    invariants: Sequence[Invariant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The known state of the books. checked: the last check; None: there was none.

    is_due: whether a new check may begin. oldest_event_at: the time of the oldest unpublished
    event; None: all are published.
    """

    checked: Checked | None
    is_due: bool
    oldest_event_at: dt.datetime | None
