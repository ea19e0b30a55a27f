"""Methods about closed ledgers as a whole: the last one, and pages of them."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from devnet.chain import rules
from devnet.network.headers import close_meta, history_entry, rebuilt
from devnet.network.node import Node
from devnet.network.records import Header
from devnet.rpc import errors
from devnet.rpc.errors import Params, RpcError
from devnet.rpc.server import Method

PAGE_DEFAULT, PAGE_MAX = 50, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """A ledger by its hash. In base64: its header, the header with its hash, the whole content."""

    hash: str
    header: str
    entry: str
    content: str


class LedgerMethods:
    """Closed ledgers. Source: stellar-rpc, methods/get_ledgers.go and get_latest_ledger.go."""

    def __init__(self, *, ledger: Node) -> None:
        self._ledger = ledger
        self._last = _Content(hash="", header="", entry="", content="")

    def table(self) -> dict[str, Method]:
        """Return the methods by their JSON-RPC names."""
        return {"getLatestLedger": self.get_latest_ledger, "getLedgers": self.get_ledgers}

    async def get_latest_ledger(self, _params: Params) -> dict[str, Any]:
        """Return the last closed ledger.

        Its content is complete only if contract transactions have complete metas, because clients
        ask for the last ledger often. `getLedgers` has every ledger's content.
        """
        newest = self._ledger.newest
        if self._last.hash != newest.hash:
            is_whole = self._ledger.environment.has_full_meta
            self._last = self._content(newest, is_whole=is_whole)
        return {
            "id": newest.hash,
            "protocolVersion": rules.PROTOCOL_VERSION,
            "sequence": newest.sequence,
            "closeTime": str(newest.close_time),
            "headerXdr": self._last.header,
            "metadataXdr": self._last.content,
        }

    async def get_ledgers(self, params: Params) -> dict[str, Any]:
        """Return ledgers in order, page by page."""
        paging = errors.mapping(params, "pagination")
        limit = errors.whole(paging, "limit", default=PAGE_DEFAULT, least=1)
        if limit > PAGE_MAX:
            raise errors.invalid(f"limit must not exceed {PAGE_MAX}")
        newest, oldest = self._ledger.newest, self._ledger.oldest
        cursor = paging.get("cursor")
        start = errors.whole(params, "startLedger", default=0)
        if cursor is not None:
            if start:
                raise errors.invalid("startLedger and cursor cannot both be set")
            if not isinstance(cursor, str) or not (cursor.isascii() and cursor.isdigit()):
                raise errors.invalid(f"invalid cursor: {cursor}")
            start = int(cursor) + 1
        is_after_newest = cursor is not None and start == newest.sequence + 1
        if not (oldest.sequence <= start <= newest.sequence or is_after_newest):
            message = f"start ledger ({start}) must be between the oldest ledger"
            raise RpcError(
                errors.INVALID_REQUEST,
                f"{message}: {oldest.sequence} and the latest ledger: {newest.sequence} for this"
                " rpc instance",
            )
        found = self._ledger.journal.headers_from(start, until=newest.sequence, limit=limit)
        last = found[-1].sequence if found else start - 1
        return {
            "ledgers": [self._shown(header) for header in found],
            "latestLedger": newest.sequence,
            "latestLedgerCloseTime": newest.close_time,
            "oldestLedger": oldest.sequence,
            "oldestLedgerCloseTime": oldest.close_time,
            "cursor": str(last),
        }

    def _content(self, header: Header, *, is_whole: bool) -> _Content:
        journal = self._ledger.journal
        previous = journal.header_before(header.sequence)
        transactions = journal.transactions_of(header.sequence)
        built = rebuilt(header, previous=previous, transactions=transactions)
        entry = history_entry(header, built)
        content = close_meta(
            entry, previous=previous, transactions=transactions if is_whole else ()
        )
        return _Content(
            hash=header.hash,
            header=_base64(built),
            entry=_base64(entry),
            content=_base64(content),
        )

    def _shown(self, header: Header) -> dict[str, Any]:
        found = self._content(header, is_whole=True)
        return {
            "hash": header.hash,
            "sequence": header.sequence,
            "ledgerCloseTime": str(header.close_time),
            "headerXdr": found.entry,
            "metadataXdr": found.content,
        }


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
