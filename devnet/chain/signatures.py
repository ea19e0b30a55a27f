"""Signatures of a transaction, weighed for the accounts that must have signed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stellar_sdk import xdr

from devnet.chain.addresses import account_raw
from devnet.chain.entries import Account
from devnet.chain.envelope import verify

MASTER = 0


@dataclass(slots=True)
class Signatures:
    """The signatures of a transaction. Each is verified once for a key that its hint matches."""

    digest: bytes
    given: Sequence[xdr.DecoratedSignature]
    _verified: dict[tuple[int, str], bool] = field(default_factory=dict)
    _used: set[int] = field(default_factory=set)

    def reach(self, account: Account, *, threshold: int) -> bool:
        """Tell whether signatures of an account's keys reach a threshold; at least one is needed.

        Source: stellar-core, SignatureChecker.cpp.
        """
        weights = {account.address: account.thresholds[MASTER], **dict(account.signers)}
        total = 0
        for address, weight in weights.items():
            place = self._find(address) if weight else None
            if place is None:
                continue
            self._used.add(place)
            total += weight
            if total >= threshold:
                return True
        return False

    def unused(self) -> bool:
        """Tell whether a signature was given that no account needed."""
        return len(self._used) < len(self.given)

    def _find(self, address: str) -> int | None:
        hint = account_raw(address)[-4:]
        for place, item in enumerate(self.given):
            if item.hint.signature_hint != hint:
                continue
            known = self._verified.get((place, address))
            if known is None:
                signature = item.signature.signature
                known = verify(address, message=self.digest, signature=signature)
                self._verified[place, address] = known
            if known:
                return place
        return None
