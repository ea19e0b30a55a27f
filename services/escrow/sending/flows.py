"""Flows: kinds of money movement on chain that an operator can stop or limit. Pure.

A stop holds every step of the flow's commands; a limit holds only the step that moves an order's
money. Envelopes in flight are settled in any case, because they may have landed.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.escrow.domain import CommandKind


class Flow(StrEnum):
    """A kind of money movement.

    REFUNDS: includes divisions by a dispute's decision; PAYMENTS: credits and withdrawals.
    """

    FUNDING = "FUNDING"
    RELEASES = "RELEASES"
    REFUNDS = "REFUNDS"
    PAYMENTS = "PAYMENTS"


class Change(StrEnum):
    """What an operator may do to a flow."""

    STOP = "STOP"
    RESUME = "RESUME"
    LIMIT = "LIMIT"


# Commands that move no money, or only freeze it, belong to no flow: a freeze protects the money.
FLOWS: Mapping[CommandKind, Flow] = {
    CommandKind.FUND: Flow.FUNDING,
    CommandKind.RELEASE: Flow.RELEASES,
    CommandKind.REFUND: Flow.REFUNDS,
    CommandKind.RESOLVE: Flow.REFUNDS,
    CommandKind.CREDIT_WALLET: Flow.PAYMENTS,
    CommandKind.WITHDRAW: Flow.PAYMENTS,
}
FLOW_STOPPED = "FLOW_STOPPED"
DAILY_LIMIT_REACHED = "DAILY_LIMIT_REACHED"


class FlowClosed(Exception):
    """The flow lets nothing pass for now. reason: FLOW_STOPPED or DAILY_LIMIT_REACHED."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A step that has to pass its flow. minor_units: what a limit counts of it; 0: nothing.

    is_counted: the step was counted when its first envelope was stored.
    """

    marketplace_id: uuid.UUID
    flow: Flow
    step_id: uuid.UUID
    minor_units: int
    is_counted: bool

    @property
    def is_limited(self) -> bool:
        """Tell whether a daily limit of the flow applies to the step."""
        return self.minor_units > 0 and not self.is_counted


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowChange:
    """One line of the history. marketplace_id: None for all; daily_limit: None for no limit."""

    marketplace_id: uuid.UUID | None
    flow: Flow
    change: Change
    daily_limit: int | None
    reason: str
    by: str
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowState:
    """A marketplace's flow at present. used_today: since midnight UTC; amounts in minor units."""

    flow: Flow
    is_stopped: bool
    daily_limit: int | None
    used_today: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReport:
    """Every flow of a marketplace, and the changes of its flows, newest first."""

    states: Sequence[FlowState]
    history: Sequence[FlowChange]
