"""The state that the operations of one transaction share while they are applied."""

from dataclasses import dataclass, field

from stellar_sdk import xdr

from devnet.chain import events, reserves, rules
from devnet.chain.assets import AssetRef
from devnet.chain.state import View


@dataclass(slots=True)
class OperationContext:
    """What an operation works on: the transaction's view, its open sponsorships, its events."""

    view: View
    passphrase: str
    lifetimes: rules.Lifetimes
    memo: xdr.Memo
    sponsorships: reserves.Sponsorships
    events: list[xdr.ContractEvent] = field(default_factory=list)

    def moved(
        self, asset: AssetRef, sender: str, receiver: str, amount: int, tag: xdr.SCVal | None = None
    ) -> None:
        """Record an asset event."""
        self.events.append(
            events.movement(
                passphrase=self.passphrase,
                asset=asset,
                sender=sender,
                receiver=receiver,
                amount=amount,
                tag=tag,
            )
        )
