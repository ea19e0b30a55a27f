"""getEvents: filters by contract and topic, pages by cursor, windows by ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from stellar_sdk import StrKey, xdr

from devnet.chain.envelope import parse
from devnet.network.node import Node
from devnet.network.records import (
    EVENT_MASK,
    OPERATION_MASK,
    TRANSACTION_MASK,
    EventId,
    EventRecord,
)
from devnet.rpc import errors
from devnet.rpc.errors import Params, RpcError
from devnet.rpc.server import Method

LIMIT_DEFAULT = 100
LIMIT_MAX = 10_000
SCAN_LEDGERS_MAX = 10_000
FILTERS_MAX = 5
CONTRACTS_MAX = 5
TOPICS_MAX = 5
SEGMENTS_MAX = 4
BATCH = 1_000
ANY_ONE = "*"
ANY_REST = "**"
KINDS = {"contract", "system", "diagnostic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """One filter; an empty list matches everything. topics: one of them must match."""

    kinds: frozenset[str]
    contracts: Sequence[str]
    topics: Sequence[Sequence[str]]

    def matches(self, event: EventRecord) -> bool:
        """Tell whether the event passes."""
        if self.kinds and "contract" not in self.kinds:
            return False
        if self.contracts and event.contract not in self.contracts:
            return False
        return not self.topics or any(_topic_matches(item, event.topics) for item in self.topics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The range to search: after an id, up to and including a ledger."""

    after: EventId
    until_ledger: int
    limit: int


class EventMethods:
    """Events of closed ledgers. has_classic_events: include those of classic operations."""

    def __init__(self, *, ledger: Node, has_classic_events: bool = True) -> None:
        self._ledger = ledger
        self._has_classic_events = has_classic_events

    def table(self) -> dict[str, Method]:
        """Return the methods by their JSON-RPC names."""
        return {"getEvents": self.get_events}

    async def get_events(self, params: Params) -> dict[str, Any]:
        """Return matching events in order.

        The cursor is the last event's id if the page is full, or else the end of the window, so
        that a request from the cursor never repeats and never misses an event.
        """
        newest, oldest = self._ledger.newest, self._ledger.oldest
        window = _window(params, oldest=oldest.sequence, newest=newest.sequence)
        found = self._scan(window, parse_filters(params.get("filters") or []))
        end = EventId(window.until_ledger, TRANSACTION_MASK, OPERATION_MASK, EVENT_MASK)
        cursor = found[-1].id if len(found) == window.limit else end
        return {
            "events": [_shown(event) for event in found],
            "cursor": str(cursor),
            "latestLedger": newest.sequence,
            "oldestLedger": oldest.sequence,
            "latestLedgerCloseTime": str(newest.close_time),
            "oldestLedgerCloseTime": str(oldest.close_time),
        }

    def _scan(self, window: Window, filters: Sequence[EventFilter]) -> list[EventRecord]:
        found: list[EventRecord] = []
        # The database filters by contract only if every filter names contracts.
        named = bool(filters) and all(item.contracts for item in filters)
        contracts = sorted({c for item in filters for c in item.contracts}) if named else []
        after = window.after
        while len(found) < window.limit:
            batch = self._ledger.journal.events_between(
                after=after, until_ledger=window.until_ledger, contracts=contracts, limit=BATCH
            )
            found += [
                event
                for event in batch
                if (not filters or any(item.matches(event) for item in filters))
                and (self._has_classic_events or not self._is_classic(event))
            ]
            if len(batch) < BATCH:
                break
            after = batch[-1].id
        return found[: window.limit]

    def _is_classic(self, event: EventRecord) -> bool:
        """Tell whether an event is of a fee or a classic operation, not of a contract call.

        Source: stellar-core, EMIT_CLASSIC_EVENTS, which is false by default.
        """
        record = self._ledger.journal.transaction(event.tx_hash)
        if event.id.transaction in {0, TRANSACTION_MASK} or record is None:
            return True
        envelope = parse(record.envelope, network_id=self._ledger.environment.network_id)
        return envelope.soroban_data is None


def _window(params: Params, *, oldest: int, newest: int) -> Window:
    paging = errors.mapping(params, "pagination")
    limit = errors.whole(paging, "limit", default=LIMIT_DEFAULT, least=1)
    if limit > LIMIT_MAX:
        raise errors.invalid(f"limit must not exceed {LIMIT_MAX}")
    cursor = paging.get("cursor")
    if cursor is not None:
        if params.get("startLedger") or params.get("endLedger"):
            raise errors.invalid("ledger ranges and cursor cannot both be set")
        after = _cursor(cursor)
        start, end = after.ledger, 0
    else:
        start = errors.whole(params, "startLedger", default=0)
        end = errors.whole(params, "endLedger", default=0)
        after = EventId(start, -1, 0, 0)
    if not oldest <= start <= newest:
        message = f"startLedger must be within the ledger range: {oldest} - {newest}"
        raise RpcError(errors.INVALID_REQUEST, message)
    if end and end <= start:
        raise errors.invalid("endLedger must be after startLedger")
    until = min(newest, start + SCAN_LEDGERS_MAX - 1, end - 1 if end else newest)
    return Window(after=after, until_ledger=until, limit=limit)


def _cursor(value: object) -> EventId:
    try:
        return EventId.parse(str(value))
    except ValueError as error:
        raise errors.invalid(f"invalid cursor: {error}") from error


def parse_filters(given: object) -> list[EventFilter]:
    """Read the filters of a request. Raises: RpcError."""
    if not isinstance(given, list) or len(given) > FILTERS_MAX:
        raise errors.invalid(f"maximum {FILTERS_MAX} filters per request")
    return [_filter(item, number) for number, item in enumerate(given, start=1)]


def _filter(item: object, number: int) -> EventFilter:
    if not isinstance(item, Mapping):
        raise errors.invalid(f"filter {number} must be an object")
    kinds = frozenset(part for part in str(item.get("type") or "").split(",") if part)
    if not kinds <= KINDS:
        raise errors.invalid(f"filter {number} invalid: type must be one of {sorted(KINDS)}")
    contracts = item.get("contractIds") or []
    if not isinstance(contracts, list) or len(contracts) > CONTRACTS_MAX:
        raise errors.invalid(f"filter {number} invalid: maximum {CONTRACTS_MAX} contract IDs")
    for contract in contracts:
        if not StrKey.is_valid_contract(str(contract)):
            raise errors.invalid(f"filter {number} invalid: contract ID {contract} invalid")
    topics = item.get("topics") or []
    if not isinstance(topics, list) or len(topics) > TOPICS_MAX:
        raise errors.invalid(f"filter {number} invalid: maximum {TOPICS_MAX} topics")
    for topic in topics:
        _check_topic(topic, number)
    return EventFilter(kinds=kinds, contracts=contracts, topics=topics)


def _check_topic(topic: object, number: int) -> None:
    if not isinstance(topic, list) or not topic:
        raise errors.invalid(f"filter {number} invalid: topic must have at least one segment")
    segments = topic[:-1] if topic[-1] == ANY_REST else topic
    if len(segments) > SEGMENTS_MAX:
        raise errors.invalid(f"filter {number} invalid: topic has more than {SEGMENTS_MAX}")
    for segment in segments:
        if segment == ANY_REST:
            raise errors.invalid(f'filter {number} invalid: wildcard "**" must be last')
        if segment != ANY_ONE:
            _check_segment(segment, number)


def _check_segment(segment: object, number: int) -> None:
    if not _is_value(str(segment)):
        raise errors.invalid(f"filter {number} invalid: segment is not an ScVal")


@lru_cache(maxsize=1024)
def _is_value(segment: str) -> bool:
    """Tell whether a text is a contract value. Cached, because clients repeat the same values."""
    try:
        xdr.SCVal.from_xdr(segment)
    except (ValueError, EOFError):
        return False
    return True


def _topic_matches(pattern: Sequence[str], topics: Sequence[str]) -> bool:
    if pattern[-1] == ANY_REST:
        pattern, topics = pattern[:-1], topics[: len(pattern) - 1]
    if len(pattern) != len(topics):
        return False
    return all(want in {ANY_ONE, have} for want, have in zip(pattern, topics, strict=True))


def _shown(event: EventRecord) -> dict[str, Any]:
    closed = datetime.fromtimestamp(event.close_time, tz=UTC)
    return {
        "type": "contract",
        "ledger": event.id.ledger,
        "ledgerClosedAt": closed.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "contractId": event.contract,
        "id": str(event.id),
        "operationIndex": event.id.operation,
        "transactionIndex": event.id.transaction,
        "txHash": event.tx_hash,
        "inSuccessfulContractCall": True,
        "topic": list(event.topics),
        "value": event.value,
    }
