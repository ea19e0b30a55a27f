"""Methods about the network and its entries: health, network, fees, entries."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stellar_sdk import xdr

from devnet.chain import keys, rules
from devnet.chain.entries import read_account, write_account
from devnet.chain.keys import Key
from devnet.chain.state import Entry, View
from devnet.faults import FaultKind, Faults
from devnet.network.identity import Identity
from devnet.network.node import Node
from devnet.rpc import errors
from devnet.rpc.errors import Params, RpcError
from devnet.rpc.server import Method

KEYS_MAX = 200
LATENCY_MAX_SECONDS = 30
VERSION = "devnet"


class NetworkMethods:
    """Read-only methods on the last closed ledger."""

    def __init__(
        self,
        *,
        ledger: Node,
        identity: Identity,
        faults: Faults,
        friendbot_url: str,
        protocol: int = rules.PROTOCOL_VERSION,
    ) -> None:
        self._ledger = ledger
        self._protocol = protocol
        self._identity = identity
        self._faults = faults
        self._friendbot_url = friendbot_url

    def table(self) -> dict[str, Method]:
        """Return the methods by their JSON-RPC names."""
        return {
            "getHealth": self.get_health,
            "getNetwork": self.get_network,
            "getLedgerEntries": self.get_ledger_entries,
            "getFeeStats": self.get_fee_stats,
            "getVersionInfo": self.get_version_info,
        }

    async def get_health(self, _params: Params) -> dict[str, Any]:
        """Return the range of ledgers that are kept, or the error of a node that fell behind.

        Source: stellar-rpc, methods/get_health.go.
        """
        latency = int(self._ledger.now()) - self._ledger.newest.close_time
        if self._faults.take(FaultKind.UNHEALTHY) is not None:
            latency = max(latency, LATENCY_MAX_SECONDS + 1)
        if latency > LATENCY_MAX_SECONDS:
            message = f"latency ({latency}s) since last known ledger closed is too high"
            raise RpcError(errors.INTERNAL_ERROR, f"{message} (>{LATENCY_MAX_SECONDS}s)")
        return {
            "status": "healthy",
            "latestLedger": self._ledger.newest.sequence,
            "oldestLedger": self._ledger.oldest.sequence,
            "ledgerRetentionWindow": self._ledger.retention,
        }

    async def get_network(self, _params: Params) -> dict[str, Any]:
        """Return the passphrase."""
        return {
            "friendbotUrl": self._friendbot_url,
            "passphrase": self._identity.passphrase,
            "protocolVersion": self._protocol,
        }

    async def get_ledger_entries(self, params: Params) -> dict[str, Any]:
        """Return the entries under the given keys; unknown ones are left out."""
        given = params.get("keys")
        if not isinstance(given, list):
            raise errors.invalid("keys must be an array")
        if len(given) > KEYS_MAX:
            raise errors.invalid(f"key count ({len(given)}) exceeds maximum supported ({KEYS_MAX})")
        entries = []
        for number, key in enumerate(_parse_keys(given)):
            entry = self._present(key.to_xdr_bytes())
            if entry is not None:
                entries.append(_shown(given[number], self._possibly_stale(key, entry)))
        return {"entries": entries, "latestLedger": self._ledger.newest.sequence}

    async def get_fee_stats(self, _params: Params) -> dict[str, Any]:
        """Return the inclusion fees of recent ledgers, for each lane."""
        return {
            "sorobanInclusionFee": self._ledger.paid[True].shown(),
            "inclusionFee": self._ledger.paid[False].shown(),
            "latestLedger": self._ledger.newest.sequence,
        }

    async def get_version_info(self, _params: Params) -> dict[str, Any]:
        """Return the version, which is not that of the real software."""
        return {
            "version": VERSION,
            "commitHash": "",
            "buildTimestamp": "",
            "captiveCoreVersion": VERSION,
            "protocolVersion": rules.PROTOCOL_VERSION,
        }

    def _present(self, key: Key) -> Entry | None:
        """Return an entry; an archived one lives until ledger 0, an expired temporary one is gone.

        Source: stellar-rpc, ledgerentries/main.go.
        """
        ledger = self._ledger
        entry = ledger.entries.get(key)
        lifetimes = ledger.environment.lifetimes
        if entry is None or not lifetimes.is_over(entry.live_until, ledger.newest.sequence):
            return entry
        return replace(entry, live_until=0) if keys.is_persistent(key) else None

    def _possibly_stale(self, key: xdr.LedgerKey, entry: Entry) -> Entry:
        if key.account is None or self._faults.take(FaultKind.STALE_SEQUENCE) is None:
            return entry
        view = View(self._ledger.entries, sequence=entry.modified)
        address = keys.account_of(key)
        account = read_account(view, address)
        if account is None or account.sequence == 0:
            return entry
        write_account(view, replace(account, sequence=account.sequence - 1))
        return view.get(keys.account(address)) or entry


def _parse_keys(given: Sequence[object]) -> list[xdr.LedgerKey]:
    parsed = []
    for number, item in enumerate(given):
        try:
            parsed.append(keys.parse(base64.b64decode(str(item).encode())))
        except (ValueError, EOFError, TypeError) as error:
            message = f"cannot unmarshal key value {item} at index {number}"
            raise errors.invalid(message) from error
        if parsed[-1].type == xdr.LedgerEntryType.TTL:
            raise errors.invalid("ledger ttl entries cannot be queried directly")
    return parsed


def _shown(key: str, entry: Entry) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "key": key,
        "xdr": base64.b64encode(entry.data).decode(),
        "lastModifiedLedgerSeq": entry.modified,
    }
    if entry.live_until is not None:
        shown["liveUntilLedgerSeq"] = entry.live_until
    return shown
