"""Transfers read from the contents of ledgers, where no node has their events any more.

Nodes keep events for a week, and may read older ledgers from an archive. What is read here has the
same ids as the events have, so that nothing counts twice. Source: stellar-rpc, db/event.go.
"""

import asyncio
import base64
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from stellar_sdk import StrKey, xdr

from chassis.telemetry import logger
from services.escrow.contracts.evidence import TransfersPage
from services.escrow.ports import ChainUnavailable, HistoryUnavailable
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
    """Reads ledgers from a place on."""

    def __init__(self, *, rpc: Rpc, asset: Asset) -> None:
        self._rpc = rpc
        self._asset = asset

    async def since(self, after: Position) -> TransfersPage | None:
        """Return the transfers of the next ledgers after a place; None: no node has the ledgers.

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
            told = await asyncio.to_thread(self._read, answer.ledgers, after)
        except UNREADABLE as error:
            raise ChainUnavailable(f"a ledger cannot be read: {error}") from error
        reached = _end_of(wanted[-1])
        log.info("chain.ledgers_read", first=first, last=reached.ledger)
        return TransfersPage(
            transfers=told.believed,
            unreadable=told.unreadable,
            next_cursor=f"{reached.operation:019d}-{reached.index:010d}",
            latest_ledger=answer.latest_ledger,
            oldest_ledger=answer.oldest_ledger,
            has_more=True,
        )

    def _read(self, ledgers: Sequence[LedgerContent], after: Position) -> Told:
        """Read ledgers, which takes long: not in the event loop."""
        events = [
            event for each in ledgers for event in _events(each, contract=self._asset.contract)
        ]
        return read_events(
            [event for event in events if Position.of(event["id"]) > after],
            asset=self._asset,
            after=after,
            latest_ledger=ledgers[-1].sequence,
        )


def _end_of(ledger: int) -> Position:
    """Return the place after everything in a ledger."""
    return Position(ledger << 32 | END, END)


def _events(ledger: LedgerContent, *, contract: str) -> Iterator[dict[str, Any]]:
    """Yield a contract's transfers and mints in a ledger, as a node tells events.

    Raises: HistoryUnavailable; whatever XDR raises.
    """
    raw = base64.b64decode(ledger.content)
    if StrKey.decode_contract(contract) not in raw:
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
            # Every transaction has an event of its fee, where classic payments have events.
            raise HistoryUnavailable(f"ledger {ledger.sequence} has no events of classic payments")
        if processed.result.result.result.code.name not in SUCCESS_CODES:
            continue
        for number, operation in enumerate(applied.operations):
            for index, event in enumerate(operation.events):
                body = _moving(event, contract=contract)
                if body is None:
                    continue
                operation_id = ledger.sequence << 32 | place << 12 | number
                yield {
                    "type": CONTRACT,
                    "ledger": ledger.sequence,
                    "ledgerClosedAt": closed_at,
                    "contractId": contract,
                    "id": f"{operation_id:019d}-{index:010d}",
                    "topic": [topic.to_xdr() for topic in body.topics],
                    "value": body.data.to_xdr(),
                    "txHash": processed.result.transaction_hash.hash.hex(),
                    "inSuccessfulContractCall": True,
                }


def _moving(event: xdr.ContractEvent, *, contract: str) -> xdr.ContractEventV0 | None:
    """Return what an event says if a node would choose it by its topics, else None."""
    body, emitter = event.body.v0, event.contract_id
    if body is None or emitter is None or not body.topics:
        return None
    is_of_asset = StrKey.encode_contract(emitter.contract_id.hash) == contract
    is_movement = len(body.topics) in COUNTS.get(body.topics[0].to_xdr(), ())
    return body if is_of_asset and is_movement else None
