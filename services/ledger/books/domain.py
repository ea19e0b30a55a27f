"""What a check of a marketplace's books has found. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from services.ledger.book import Invariant


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetMoney:
    """The money of a marketplace in an asset, in minor units, without the platform's own.

    available, reserved: of users. in_suspense: deposits that are credited to nobody yet.
    """

    asset: str
    available: int
    reserved: int
    in_escrow: int
    in_suspense: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The books at one moment. took_milliseconds: what the check cost."""

    at: dt.datetime
    took_milliseconds: int
    money: Sequence[AssetMoney]
    invariants: Sequence[Invariant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the books. checked: the last check, None: there was none.

    is_due: it may be checked again. oldest_event_at: of those that are not published; None: there
    is none.
    """

    checked: Checked | None
    is_due: bool
    oldest_event_at: dt.datetime | None
