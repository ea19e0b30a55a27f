"""Methods about closed ledgers as a whole: the last one, and pages of them."""

from collections.abc import Sequence
from typing import Any

from stellar_sdk import xdr

from devnet.chain import rules
from devnet.network.headers import close_meta, history_entry, rebuilt
from devnet.network.node import Node
from devnet.network.records import Header, TransactionRecord
from devnet.rpc import errors
from devnet.rpc.errors import Params, RpcError
from devnet.rpc.server import Method

PAGE_DEFAULT, PAGE_MAX = 50, 200


class LedgerMethods:
    """Closed ledgers. Source: stellar-rpc, methods/get_ledgers.go and get_latest_ledger.go."""

    def __init__(self, *, ledger: Node) -> None:
        self._ledger = ledger
        self._last: tuple[str, str, str] = ("", "", "")

    def table(self) -> dict[str, Method]:
        """Return the methods by their JSON-RPC names."""
        return {"getLatestLedger": self.get_latest_ledger, "getLedgers": self.get_ledgers}

    async def get_latest_ledger(self, _params: Params) -> dict[str, Any]:
        """Return the last closed ledger.

        Its content is whole only where contract transactions have whole metas, as clients ask for
        the last ledger often; `getLedgers` has every ledger's content.
        """
        newest = self._ledger.newest
        if self._last[0] != newest.hash:
            entry = history_entry(newest, self._built(newest))
            transactions: Sequence[TransactionRecord] = ()
            if self._ledger.environment.has_full_meta:
                transactions = self._ledger.journal.transactions_of(newest.sequence)
            content = close_meta(entry, transactions)
            self._last = (newest.hash, entry.header.to_xdr(), content.to_xdr())
        return {
            "id": newest.hash,
            "protocolVersion": rules.PROTOCOL_VERSION,
            "sequence": newest.sequence,
            "closeTime": str(newest.close_time),
            "headerXdr": self._last[1],
            "metadataXdr": self._last[2],
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

    def _built(self, header: Header) -> xdr.LedgerHeader:
        journal = self._ledger.journal
        return rebuilt(
            header,
            previous=journal.header_before(header.sequence),
            transactions=journal.transactions_of(header.sequence),
        )

    def _shown(self, header: Header) -> dict[str, Any]:
        entry = history_entry(header, self._built(header))
        content = close_meta(entry, self._ledger.journal.transactions_of(header.sequence))
        return {
            "hash": header.hash,
            "sequence": header.sequence,
            "ledgerCloseTime": str(header.close_time),
            "headerXdr": entry.to_xdr(),
            "metadataXdr": content.to_xdr(),
        }
