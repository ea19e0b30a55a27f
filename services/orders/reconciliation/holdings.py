"""One account on chain and in the ledger, and when the two differ. Pure."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

ESCROW = "escrow:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a wallet or contract holds on chain, in minor units. account: its name in the ledger.

    is_busy: a command is running on it. is_closed: it is a contract that has paid out.
    is_overfunded: the buyer's own wallet has paid it more than the order's amount.
    """

    account: str
    chain: int
    is_busy: bool = False
    is_closed: bool = False
    is_overfunded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An account whose two sides differ, in minor units."""

    account: str
    ledger: int
    chain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far the comparison has come. marketplace_id: the one it is in; all zeros: before any.

    side: CHAIN, what wallets and contracts hold beside the ledger; then LEDGER, what the ledger has
    locked for contracts that do not exist. accounts: compared in this round so far.
    """

    marketplace_id: uuid.UUID
    side: str
    page_token: str
    accounts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A difference that was seen more than once. since: when its figures were seen first."""

    account: str
    ledger: int
    chain: int
    since: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What the comparison has found. differing: how many accounts, over all marketplaces."""

    looked_at: dt.datetime | None
    round_finished_at: dt.datetime | None
    round_accounts: int
    differing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowOperation:
    """An operation on an order that has run for long. since: when it was asked for."""

    order_id: uuid.UUID
    kind: str
    since: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What of a marketplace waits: its slow operations, and its oldest event to publish."""

    slow: Sequence[SlowOperation]
    oldest_event_at: dt.datetime | None


def difference(holding: Holding, *, ledger: int) -> Difference | None:
    """Return how an account differs; None: it agrees, or a command is running on it.

    Third parties can send money to a contract; that surplus is not a difference. The ledger then
    has nothing left for a contract that has paid out, and all that was funded for another.
    """
    if ledger == holding.chain or holding.is_busy:
        return None
    if holding.account.startswith(ESCROW) and holding.chain > ledger and not holding.is_overfunded:
        is_all_booked = (ledger == 0) if holding.is_closed else (ledger > 0)
        if is_all_booked:
            return None
    return Difference(account=holding.account, ledger=ledger, chain=holding.chain)
