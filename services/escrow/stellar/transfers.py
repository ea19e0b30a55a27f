"""Transfers of the asset from a stored cursor on: the event stream as evidence of deposits."""

import json

from stellar_sdk import scval, xdr
from stellar_sdk.soroban_rpc import EventInfo, GetEventsResponse

from services.escrow.evidence import ReceivedTransfer, TransfersPage, UnreadableTransfer
from services.escrow.ports import ChainRefused, HistoryUnavailable
from services.escrow.stellar.outcomes import address_in, amount_and_memo
from services.escrow.stellar.rpc import Rpc

LIMIT_MAX = 10_000
ANY = "*"
TRANSFER = scval.to_symbol("transfer").to_xdr()
MINT = scval.to_symbol("mint").to_xdr()
# A payment by the issuer itself is a mint: to whom, and the asset's name (older: also by whom).
TOPICS = ((TRANSFER, ANY, ANY, ANY), (MINT, ANY, ANY), (MINT, ANY, ANY, ANY))
LEDGER_SHIFT = 32


class Transfers:
    """Reads one asset's transfers."""

    def __init__(self, *, rpc: Rpc, asset_contract: str, issuer: str) -> None:
        self._rpc = rpc
        self._asset_contract = asset_contract
        self._issuer = issuer

    async def since(self, cursor: str | None, *, limit: int) -> TransfersPage:
        """Return what came after a cursor. Raises: ChainUnavailable; HistoryUnavailable."""
        start = await self._rpc.oldest_ledger() if cursor is None else None
        try:
            answer = await self._rpc.events(
                contract_id=self._asset_contract,
                topics=TOPICS,
                start_ledger=start,
                cursor=cursor,
                limit=min(limit, LIMIT_MAX),
            )
        except ChainRefused as refusal:
            raise await self._explained(refusal, cursor) from refusal
        self._require_history(answer, cursor)
        transfers: list[ReceivedTransfer] = []
        unreadable: list[UnreadableTransfer] = []
        for event in answer.events:
            try:
                transfers.append(self._read(event))
            except Exception as error:  # noqa: BLE001 - whatever an event is, others follow it
                unreadable.append(_unreadable(event, error))
        return TransfersPage(
            transfers=tuple(transfers),
            unreadable=tuple(unreadable),
            next_cursor=answer.cursor,
            latest_ledger=answer.latest_ledger,
            oldest_ledger=answer.oldest_ledger,
        )

    async def paid_between(self, payer: str, payee: str, *, since_ledger: int) -> int | None:
        """Return what an address has paid another since a ledger, in minor units.

        None: the node does not keep all the ledgers since then. Raises: ChainUnavailable.
        """
        if since_ledger < await self._rpc.oldest_ledger():
            return None
        between = [TRANSFER, scval.to_address(payer).to_xdr(), scval.to_address(payee).to_xdr()]
        start: int | None = since_ledger
        cursor, total = None, 0
        while True:
            answer = await self._rpc.events(
                contract_id=self._asset_contract,
                topics=[[*between, ANY]],
                start_ledger=start,
                cursor=cursor,
                limit=LIMIT_MAX,
            )
            total += sum(self._read(event).amount for event in answer.events)
            start, cursor = None, answer.cursor
            if _ledger_of(cursor) >= answer.latest_ledger:
                return total

    def _read(self, event: EventInfo) -> ReceivedTransfer:
        topics = [xdr.SCVal.from_xdr(topic) for topic in event.topic]
        is_transfer = event.topic[0] == TRANSFER
        amount, memo = amount_and_memo(xdr.SCVal.from_xdr(event.value))
        return ReceivedTransfer(
            event_id=event.id,
            transaction_hash=event.transaction_hash,
            ledger=event.ledger,
            closed_at=int(event.ledger_close_at.timestamp()),
            from_address=address_in(topics[1]) if is_transfer else self._issuer,
            # The recipient stands before the asset's name, the last topic.
            to_address=address_in(topics[-2]),
            memo=memo,
            amount=amount,
        )

    async def _explained(self, refusal: ChainRefused, cursor: str | None) -> Exception:
        """Tell a cursor that is too old from other refusals."""
        oldest = await self._rpc.oldest_ledger()
        if cursor is not None and _ledger_of(cursor) < oldest:
            return _too_old(cursor, oldest)
        return refusal

    def _require_history(self, answer: GetEventsResponse, cursor: str | None) -> None:
        # Some nodes answer an old cursor with what they have: a gap nobody would notice.
        if cursor is not None and _ledger_of(cursor) + 1 < answer.oldest_ledger:
            raise _too_old(cursor, answer.oldest_ledger)


def _unreadable(event: EventInfo, error: Exception) -> UnreadableTransfer:
    return UnreadableTransfer(
        event_id=event.id,
        transaction_hash=event.transaction_hash,
        ledger=event.ledger,
        to_address="",
        event=json.dumps({"topic": event.topic, "value": event.value}),
        why=f"{type(error).__name__}: {error}",
    )


def _too_old(cursor: str, oldest: int) -> HistoryUnavailable:
    return HistoryUnavailable(
        f"the cursor is in ledger {_ledger_of(cursor)}, the node keeps {oldest} and later",
        details={"cursor": cursor, "oldest_ledger": oldest},
    )


def _ledger_of(cursor: str) -> int:
    """Return the ledger of an event id: the upper half of its operation's number (SEP-35)."""
    number = cursor.partition("-")[0]
    if not number.isascii() or not number.isdigit():
        raise ChainRefused("the cursor is no event id")
    return int(number) >> LEDGER_SHIFT
