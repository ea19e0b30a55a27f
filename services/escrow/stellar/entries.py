"""Ledger entries as nodes report them: parsed, and compared with the key of their report."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import LedgerEntryResult

from services.escrow.ports import ChainUnavailable
from services.escrow.stellar.addresses import key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Ledger entries by the XDR bytes of their keys. read_at: the ledger of these entries.

    live_until: for entries of contracts, the last ledger before the network archives them; 0:
    archived.
    """

    read_at: int
    data: Mapping[bytes, xdr.LedgerEntryData]
    live_until: Mapping[bytes, int]

    def get(self, key: xdr.LedgerKey) -> xdr.LedgerEntryData | None:
        """Return the entry under a key."""
        return self.data.get(key.to_xdr_bytes())


def entry_of(given: LedgerEntryResult) -> tuple[bytes, xdr.LedgerEntryData, int | None]:
    """Parse an entry, with its own key. Raises: ChainUnavailable: it is under another key."""
    key, data = _read_entry(given.key, given.xdr)
    is_of_contract = data.contract_data is not None or data.contract_code is not None
    return key, data, (given.live_until_ledger or 0) if is_of_contract else None


@lru_cache(maxsize=512)
def _read_entry(key: str, entry: str) -> tuple[bytes, xdr.LedgerEntryData]:
    """Parse the XDR of an entry. Cached, because each entry is read before and after every step."""
    try:
        name = base64.b64decode(key, validate=True)
        data = xdr.LedgerEntryData.from_xdr(entry)
        of_data = key_of(data).to_xdr_bytes()
    except (ValueError, EOFError, TypeError) as error:
        raise ChainUnavailable("the node shows an entry that cannot be read") from error
    if name != of_data:
        raise ChainUnavailable("the node shows one entry under the key of another")
    return name, data
