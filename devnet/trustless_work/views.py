"""The API's indexer: its answers about escrows are read from the ledger on request."""

from typing import Any

from stellar_sdk import scval, xdr

from devnet.chain import keys
from devnet.chain.assets import AssetRef
from devnet.chain.entries import decode_contract_data
from devnet.chain.instances import decode_instance
from devnet.chain.state import Entry
from devnet.network.identity import Identity
from devnet.network.ledger import Ledger
from devnet.soroban import escrow_storage, escrow_value
from devnet.soroban.escrow_value import Escrow
from devnet.trustless_work.bodies import MINOR_UNITS


class Views:
    """Reads escrow contracts."""

    def __init__(self, *, ledger: Ledger, identity: Identity) -> None:
        self._ledger = ledger
        self._identity = identity

    def stored(self, contract: str) -> xdr.SCVal | None:
        """Return the escrow's value as stored, or None."""
        entry = self._entry(contract)
        return None if entry is None else decode_contract_data(entry.data)

    def escrow(self, contract: str) -> dict[str, Any] | None:
        """Describe an escrow in the indexer's form, or return None."""
        entry = self._entry(contract)
        instance = self._ledger.entries.get(keys.instance(contract))
        if entry is None or instance is None:
            return None
        value = decode_contract_data(entry.data)
        escrow = escrow_value.decode(value, profile=self._identity.profile)
        return {
            "contractId": contract,
            "type": "single-release",
            "isActive": True,
            **_described(escrow, self._asset(escrow.token)),
            "balance": tokens(self._balance(escrow.token, contract)),
            "createdAt": self._moment(instance.modified),
            "updatedAt": self._moment(entry.modified),
        }

    def balance(self, contract: str) -> int | None:
        """Return how many minor units an escrow holds, or None."""
        value = self.stored(contract)
        if value is None:
            return None
        escrow = escrow_value.decode(value, profile=self._identity.profile)
        return self._balance(escrow.token, contract)

    def _entry(self, contract: str) -> Entry | None:
        key = keys.contract_data(contract, escrow_storage.KEY, keys.PERSISTENT)
        return self._ledger.entries.get(key)

    def _balance(self, token: str, contract: str) -> int:
        entry = self._ledger.entries.get(keys.balance(token, contract))
        if entry is None:
            return 0
        return scval.from_int128(scval.from_struct(decode_contract_data(entry.data))["amount"])

    def _asset(self, token: str) -> AssetRef | None:
        entry = self._ledger.entries.get(keys.instance(token))
        return None if entry is None else decode_instance(entry.data).asset

    def _moment(self, sequence: int) -> dict[str, int]:
        header = self._ledger.journal.header(sequence)
        return {"_seconds": 0 if header is None else header.close_time, "_nanoseconds": 0}


def tokens(minor_units: int) -> float:
    """Return minor units as the number of tokens in this API's JSON."""
    whole, rest = divmod(minor_units, MINOR_UNITS)
    return whole if rest == 0 else minor_units / MINOR_UNITS


def _described(escrow: Escrow, asset: AssetRef | None) -> dict[str, Any]:
    roles, flags = escrow.roles, escrow.flags
    return {
        "engagementId": _text(escrow.engagement_id),
        "title": _text(escrow.title),
        "description": _text(escrow.description),
        "amount": tokens(escrow.amount),
        "platformFee": escrow.platform_fee / 100,
        "receiverMemo": escrow.receiver_memo,
        "roles": {
            "approver": roles.approver,
            "serviceProvider": roles.service_provider,
            "platformAddress": roles.platform,
            "releaseSigner": roles.release_signer,
            "disputeResolver": roles.dispute_resolver,
            "receiver": roles.receiver,
        },
        "flags": {
            "disputed": flags.disputed,
            "released": flags.released,
            "resolved": flags.resolved,
        },
        "milestones": [
            {
                "description": _text(milestone.description),
                "status": _text(milestone.status),
                "evidence": _text(milestone.evidence),
                "approved": milestone.approved,
            }
            for milestone in escrow.milestones
        ],
        "trustline": {
            "address": asset.issuer if asset is not None else None,
            "name": asset.code if asset is not None else None,
            "symbol": asset.code if asset is not None else None,
        },
    }


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
