"""An account on chain and in the ledger, and the rule that tells whether they differ. Pure."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

ESCROW = "escrow:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A wallet or contract. chain: its balance in minor units. account: its account in the ledger.

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
    """An account whose balances in ledger and chain differ; both in minor units."""

    account: str
    ledger: int
    chain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place that is compared next. marketplace_id: all zeros: the round begins.

    side: CHAIN: compare wallets and contracts with the ledger; then LEDGER: find money that the
    ledger has locked for contracts that do not exist. accounts: compared in this round so far.
    """

    marketplace_id: uuid.UUID
    side: str
    page_token: str
    accounts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A confirmed difference. since: when its figures were first seen."""

    account: str
    ledger: int
    chain: int
    since: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The state of reconciliation. differing: the differing accounts of all marketplaces."""

    looked_at: dt.datetime | None
    round_finished_at: dt.datetime | None
    round_accounts: int
    differing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowOperation:
    """An operation on an order that has run for long. since: when it began."""

    order_id: uuid.UUID
    kind: str
    since: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A marketplace's waiting work: its slow operations, and its oldest unpublished event."""

    slow: Sequence[SlowOperation]
    oldest_event_at: dt.datetime | None


def difference(holding: Holding, *, ledger: int) -> Difference | None:
    """Return how an account differs; None: it agrees, or a command is running on it.

    Third parties can send money to a contract, and such a surplus is not a difference. The ledger's
    balance is then zero for a contract that has paid out, and positive for any other contract.
    """
    if ledger == holding.chain or holding.is_busy:
        return None
    if holding.account.startswith(ESCROW) and holding.chain > ledger and not holding.is_overfunded:
        is_all_booked = (ledger == 0) if holding.is_closed else (ledger > 0)
        if is_all_booked:
            return None
    return Difference(account=holding.account, ledger=ledger, chain=holding.chain)
