"""The pages of a node's answers: what must be right for any of it to be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pydantic


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """A page of events. events: each as the node sent it, nobody has looked at one yet."""

    events: Sequence[object]
    cursor: str
    latest_ledger: int
    oldest_ledger: int


class Landed(pydantic.BaseModel):
    """A transaction of a ledger, as getTransactions lists them."""

    status: Literal["SUCCESS", "FAILED"]
    hash: str = pydantic.Field(alias="txHash")
    envelope_xdr: str = pydantic.Field(alias="envelopeXdr")
    ledger: int = pydantic.Field(gt=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """A page of transactions. count: how many it had, those that cannot be read included."""

    landed: Sequence[Landed]
    count: int
    cursor: str
    latest_ledger: int


class LandedPage(pydantic.BaseModel):
    """What of getTransactions' answer must be right for any of it to be read."""

    transactions: list[Any]
    cursor: str
    latest_ledger: int = pydantic.Field(alias="latestLedger", gt=0)


class EventsAnswer(pydantic.BaseModel):
    """What of getEvents' answer must be right for any of it to be read."""

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
