"""The pages of a node's answers: the fields that must be valid before anything is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pydantic


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """A page of events. events: as the node sent them, not checked yet."""

    events: Sequence[object]
    cursor: str
    latest_ledger: int
    oldest_ledger: int


class Landed(pydantic.BaseModel):
    """A transaction of a ledger, as getTransactions lists it."""

    status: Literal["SUCCESS", "FAILED"]
    hash: str = pydantic.Field(alias="txHash")
    envelope_xdr: str = pydantic.Field(alias="envelopeXdr")
    ledger: int = pydantic.Field(gt=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """A page of transactions. count: how many the node listed, unreadable ones included."""

    landed: Sequence[Landed]
    count: int
    cursor: str
    latest_ledger: int


class LandedPage(pydantic.BaseModel):
    """The fields of getTransactions' answer that must be valid before anything is read."""

    transactions: list[Any]
    cursor: str
    latest_ledger: int = pydantic.Field(alias="latestLedger", gt=0)


class EventsAnswer(pydantic.BaseModel):
    """The fields of getEvents' answer that must be valid before anything is read."""

    events: list[Any]
    cursor: str
    latest_ledger: int = pydantic.Field(alias="latestLedger", gt=0)
    oldest_ledger: int = pydantic.Field(alias="oldestLedger", ge=0)


class LedgerContent(pydantic.BaseModel):
    """A closed ledger. closed_at: in seconds since 1970; content: LedgerCloseMeta as XDR."""

    sequence: int = pydantic.Field(gt=0)
    closed_at: int = pydantic.Field(alias="ledgerCloseTime", ge=0)
    content: str = pydantic.Field(alias="metadataXdr")


class LedgersAnswer(pydantic.BaseModel):
    """A page of getLedgers, oldest first."""

    ledgers: list[LedgerContent]
    latest_ledger: int = pydantic.Field(alias="latestLedger", gt=0)
    oldest_ledger: int = pydantic.Field(alias="oldestLedger", ge=0)
