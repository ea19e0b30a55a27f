"""Transfers read from the contents of ledgers, when no node has their events any more.

Nodes keep events for a week, and may read older ledgers from an archive. Transfers that are read
here have the same ids as the events have, so none counts twice. Source: stellar-rpc, db/event.go.
"""

import asyncio
import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from stellar_sdk import StrKey, xdr

from chassis.telemetry import logger
from services.escrow.contracts.evidence import ContractChange, TransfersPage
from services.escrow.ports import ChainUnavailable, HistoryUnavailable
from services.escrow.stellar import changes
from services.escrow.stellar.events import (
    CONTRACT,
    MINT,
    MINT_TOPICS,
    TRANSFER,
    TRANSFER_TOPICS,
    Asset,
    Position,
    Told,
    read_events,
)
from services.escrow.stellar.outcomes import SUCCESS_CODES, UNREADABLE
from services.escrow.stellar.pages import LedgerContent
from services.escrow.stellar.rpc import Rpc

# A ledger of the main network has some megabytes.
LEDGERS_PER_PAGE = 5
END = 0xFFFFFFFF
COUNTS = {TRANSFER: TRANSFER_TOPICS, MINT: MINT_TOPICS}
log = logger()


class Contents:
    """Reads ledgers from a position on."""

    def __init__(self, *, rpc: Rpc, asset: Asset) -> None:
        self._rpc = rpc
        self._asset = asset

    async def since(self, after: Position) -> TransfersPage | None:
        """Return the transfers of the next ledgers after a position; None: no node has the ledgers.

        Raises: ChainUnavailable; HistoryUnavailable: the ledgers were kept without these events.
        """
        first = after.ledger if after < _end_of(after.ledger) else after.ledger + 1
        answer = await self._rpc.ledgers(start_ledger=first, limit=LEDGERS_PER_PAGE)
        if answer is None:
            return None
        wanted = range(first, first + len(answer.ledgers))
        if not wanted or [each.sequence for each in answer.ledgers] != list(wanted):
            raise ChainUnavailable("the node leaves ledgers out")
        try:
            told, changed = await asyncio.to_thread(self._read, answer.ledgers, after)
        except UNREADABLE as error:
            raise ChainUnavailable(f"a ledger cannot be read: {error}") from error
        reached = _end_of(wanted[-1])
        log.info("chain.ledgers_read", first=first, last=reached.ledger)
        return TransfersPage(
            transfers=told.believed,
            unreadable=told.unreadable,
            changes=changed,
            next_cursor=f"{reached.operation:019d}-{reached.index:010d}",
            latest_ledger=answer.latest_ledger,
            oldest_ledger=answer.oldest_ledger,
            has_more=True,
        )

    def _read(
        self, ledgers: Sequence[LedgerContent], after: Position
    ) -> tuple[Told, tuple[ContractChange, ...]]:
        """Read ledgers. This is slow and must not run in the event loop."""
        contract, latest = self._asset.contract, ledgers[-1].sequence
        events = [event for each in ledgers for event in _events(each, contract=contract)]
        events = [event for event in events if Position.of(event["id"]) > after]
        told = read_events(
            [event for event in events if event["contractId"] == contract],
            asset=self._asset,
            after=after,
            latest_ledger=latest,
        )
        return told, changes.read(events, after=after, latest_ledger=latest)


def _end_of(ledger: int) -> Position:
    """Return the position after everything in a ledger."""
    return Position(ledger << 32 | END, END)


def _events(ledger: LedgerContent, *, contract: str) -> Iterator[dict[str, Any]]:
    """Yield a contract's transfers and mints, and changes of escrows, in the form of node events.

    Raises: HistoryUnavailable; whatever XDR raises.
    """
    raw = base64.b64decode(ledger.content)
    if StrKey.decode_contract(contract) not in raw and changes.MARK not in raw:
        return
    meta = xdr.LedgerCloseMeta.from_xdr_bytes(raw)
    content = meta.v2 or meta.v1
    if content is None:
        raise ValueError(f"a ledger of the kind {meta.v}")
    processing: Sequence[xdr.TransactionResultMeta | xdr.TransactionResultMetaV1]
    processing = [*content.tx_processing]
    closed_at = datetime.fromtimestamp(ledger.closed_at, UTC).isoformat()
    for place, processed in enumerate(processing, start=1):
        applied = processed.tx_apply_processing.v4
        if applied is None or not applied.events:
            # With events of classic payments, every transaction has an event of its fee.
            raise HistoryUnavailable(f"ledger {ledger.sequence} has no events of classic payments")
        if processed.result.result.result.code.name not in SUCCESS_CODES:
            continue
        for number, operation in enumerate(applied.operations):
            for index, event in enumerate(operation.events):
                body = event.body.v0
                emitter = _emitter(event)
                if body is None or not _is_wanted(body, is_of_asset=emitter == contract):
                    continue
                operation_id = ledger.sequence << 32 | place << 12 | number
                yield {
                    "type": CONTRACT,
                    "ledger": ledger.sequence,
                    "ledgerClosedAt": closed_at,
                    "contractId": emitter,
                    "id": f"{operation_id:019d}-{index:010d}",
                    "topic": [topic.to_xdr() for topic in body.topics],
                    "value": body.data.to_xdr(),
                    "txHash": processed.result.transaction_hash.hash.hex(),
                    "inSuccessfulContractCall": True,
                }


def _emitter(event: xdr.ContractEvent) -> str:
    """Return the address of the contract that emitted an event, "" if there is none."""
    emitter = event.contract_id
    return "" if emitter is None else StrKey.encode_contract(emitter.contract_id.hash)


def _is_wanted(body: xdr.ContractEventV0, *, is_of_asset: bool) -> bool:
    """Tell whether a node would select an event by its topics."""
    topics = [topic.to_xdr() for topic in body.topics]
    if is_of_asset:
        return bool(topics) and len(topics) in COUNTS.get(topics[0], ())
    return changes.is_name(topics)
