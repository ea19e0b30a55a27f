"""Events of the asset's contract: which of a node's events are believed, and as what.

Each event is checked by itself, with all evidence that comes with it. An event that says itself
that it moved nothing, or that is not about the asset, is left out. An event that may have moved
money and contradicts itself is set aside for an operator. Neither counts as a transfer, and neither
delays the others.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pydantic
from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr
from stellar_sdk import scval, xdr

from chassis.telemetry import logger
from services.escrow.contracts.evidence import ReceivedTransfer, UnreadableTransfer, unrecorded
from services.escrow.ports import ChainRefused
from services.escrow.stellar.addresses import address_in
from services.escrow.stellar.outcomes import amount_of, memo_of

TRANSFER = scval.to_symbol("transfer").to_xdr()
MINT = scval.to_symbol("mint").to_xdr()
TRANSFER_TOPICS = frozenset({4})
# A payment by the issuer is a mint: its receiver, and the asset's name (older: also its sender).
MINT_TOPICS = frozenset({3, 4})
CONTRACT = "contract"
LEDGER_SHIFT = 32
EVENT_MAX = 4_000
UINT64_MAX = 2**64 - 1
_EVENT_ID = re.compile(r"[0-9]{19}-[0-9]{10}")
_HASH = re.compile(r"[0-9a-f]{64}")
log = logger()


class ForeignEventError(Exception):
    """The event itself says that it does not move the asset; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The asset's events in one answer. believed: oldest first, each once."""

    believed: tuple[ReceivedTransfer, ...]
    unreadable: tuple[UnreadableTransfer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What the events must be about. name: as the last topic has it, "USDC:G…"."""

    contract: str
    issuer: str
    name: str


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A position among all events: the operation's number and the event's index in it (SEP-35)."""

    operation: int
    index: int

    @classmethod
    def of(cls, cursor: str) -> "Position":
        """Parse a cursor or an event's id. Raises: ChainRefused."""
        operation, _, index = cursor.partition("-")
        for part in (operation, index):
            is_number = part.isascii() and part.isdigit()
            if not is_number or len(part) > len(str(UINT64_MAX)) or int(part) > UINT64_MAX:
                raise ChainRefused("the cursor is not an event id")
        return cls(int(operation), int(index))

    @property
    def ledger(self) -> int:
        """The ledger of the position: the upper half of the operation's number."""
        return self.operation >> LEDGER_SHIFT


class ToldEvent(BaseModel):
    """An event as nodes describe it. Their other fields prove nothing and are ignored."""

    kind: StrictStr = Field(alias="type")
    ledger: StrictInt
    closed_at: datetime = Field(alias="ledgerClosedAt")
    contract: StrictStr = Field(alias="contractId")
    id: StrictStr
    topics: list[StrictStr] = Field(alias="topic")
    value: StrictStr
    transaction: StrictStr = Field(alias="txHash")
    # Nodes of version 30 and later leave this out, because they report only successful calls.
    is_of_success: StrictBool | None = Field(alias="inSuccessfulContractCall", default=None)

    @classmethod
    def of(cls, given: object) -> "ToldEvent":
        """Parse an event. Raises: ForeignEventError: it had no effect; ValueError."""
        event = cls.model_validate(given)
        if event.is_of_success is False:
            raise ForeignEventError("its call has failed")
        if event.kind != CONTRACT:
            raise ForeignEventError(f"it is of the type {event.kind[:20]!r}")
        return event

    def require_place(self, *, after: Position | None, latest_ledger: int) -> None:
        """Check that the event's position is consistent. Raises: ForeignEventError; ValueError."""
        _require(_EVENT_ID.fullmatch(self.id) is not None, "its id is not an event id")
        place = Position.of(self.id)
        if after is not None and place <= after:
            raise ForeignEventError("it comes before what was asked for")
        _require(place.ledger == self.ledger > 0, "its id is of another ledger")
        _require(self.ledger <= latest_ledger, f"the node's newest ledger is {latest_ledger}")
        _require(_HASH.fullmatch(self.transaction) is not None, "its transaction has no hash")


def read_events(
    events: Sequence[object], *, asset: Asset, after: Position | None, latest_ledger: int
) -> Told:
    """Return what a page of events says about an asset.

    after: where the page begins; latest_ledger: the newest that the node had for it.
    """
    believed: dict[str, ReceivedTransfer] = {}
    aside: dict[str, UnreadableTransfer] = {}
    denied: set[str] = set()
    for event in events:
        name = _text(event, "id")
        try:
            found = _read(event, asset=asset, after=after, latest_ledger=latest_ledger)
            if believed.setdefault(name, found) != found:
                aside[name] = unrecorded(found, why="another event has its id")
        except ForeignEventError as reason:
            denied.add(name)
            log.warning("chain.event_left_out", event_id=name, why=str(reason))
        except Exception as error:  # noqa: BLE001 - whatever an event is, others follow it
            unreadable = _unreadable(event, error, latest_ledger=latest_ledger)
            aside.setdefault(unreadable.event_id, unreadable)
    for name in denied & believed.keys():
        aside[name] = unrecorded(believed[name], why="one of its id has moved nothing")
    return Told(
        believed=tuple(
            believed[name] for name in sorted(believed, key=Position.of) if name not in aside
        ),
        unreadable=tuple(aside.values()),
    )


def _read(
    given: object, *, asset: Asset, after: Position | None, latest_ledger: int
) -> ReceivedTransfer:
    """Read one event. Raises: ForeignEventError; ValueError and others: it is malformed."""
    event = ToldEvent.of(given)
    if event.contract != asset.contract:
        raise ForeignEventError("another contract emitted it")
    event.require_place(after=after, latest_ledger=latest_ledger)
    is_transfer = event.topics[:1] == [TRANSFER]
    _require(is_transfer or event.topics[:1] == [MINT], "it is neither a transfer nor a mint")
    counts = TRANSFER_TOPICS if is_transfer else MINT_TOPICS
    _require(len(event.topics) in counts, f"it has {len(event.topics)} topics")
    *topics, name = [xdr.SCVal.from_xdr(topic) for topic in event.topics]
    _require(name == scval.to_string(asset.name), "its last topic is not the asset's name")
    # Every topic between the first and the last is an address; the last address is the recipient.
    addresses = [address_in(topic) for topic in topics[1:]]
    _require(not any(a.startswith("M") for a in addresses), "a muxed address cannot hold a balance")
    value = xdr.SCVal.from_xdr(event.value)
    return ReceivedTransfer(
        event_id=event.id,
        transaction_hash=event.transaction,
        ledger=event.ledger,
        closed_at=int(event.closed_at.timestamp()),
        from_address=addresses[0] if is_transfer else asset.issuer,
        to_address=addresses[-1],
        memo=memo_of(value),
        amount=amount_of(value),
    )


def _unreadable(given: object, error: Exception, *, latest_ledger: int) -> UnreadableTransfer:
    """Keep what can be kept of an event of any form, before any part of it was checked."""
    shown = json.dumps(given, default=repr)
    event_id, ledger = _text(given, "id"), latest_ledger
    if _EVENT_ID.fullmatch(event_id):
        ledger = Position.of(event_id).ledger
    name = hashlib.sha256(shown.encode()).hexdigest()[:16]
    return UnreadableTransfer(
        event_id=event_id or f"without an id: {name}",
        transaction_hash=_text(given, "txHash"),
        ledger=ledger,
        to_address="",
        event=shown[:EVENT_MAX],
        why=_said(error),
    )


def _said(error: Exception) -> str:
    if isinstance(error, pydantic.ValidationError):
        fields = [".".join(map(str, one["loc"])) or "the event" for one in error.errors()]
        return f"cannot be read: {', '.join(fields)}"
    return f"{type(error).__name__}: {error}"


def _text(given: object, name: str) -> str:
    """Return a field as text that can be stored and shown anywhere, "" if it is not text."""
    value = given.get(name) if isinstance(given, dict) else None
    return ascii(value)[1:-1][:80] if isinstance(value, str) else ""


def _require(condition: bool, refusal: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        raise ValueError(refusal)
