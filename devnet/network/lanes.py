"""The two lanes of a ledger: which bids are included if there are too many, and recent fees.

Classic operations and contract transactions do not compete with each other. When a lane is full,
the highest bids are included, and all of them pay the lowest included bid. Sources: CAP-5 and
CAP-46; stellar-core, SurgePricingUtils.cpp; stellar-rpc, feewindow.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from devnet.chain import rules
from devnet.chain.envelope import Envelope
from devnet.chain.validity import bidders

PERCENTS = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)


def offered(envelope: Envelope) -> int:
    """Return what a transaction offers for inclusion, without its resource fee."""
    return envelope.fee - envelope.resource_fee


def bid(envelope: Envelope) -> int:
    """Return what a transaction offers for the inclusion of each operation, in whole stroops."""
    return offered(envelope) // bidders(envelope)


def pays_in_other_lane(account: str, waiting: Sequence[Envelope], *, than: Envelope) -> bool:
    """Tell whether an account pays for a waiting transaction in the lane other than this one's.

    Source: stellar-core, TransactionQueue.cpp, `sourceAccountPending`.
    """
    is_contract = than.soroban_data is not None
    return any(
        each.fee_payer == account and (each.soroban_data is not None) != is_contract
        for each in waiting
    )


def chosen(waiting: Sequence[Envelope], *, room: int) -> tuple[set[bytes], int]:
    """Choose one lane's transactions for a ledger. room: how many operations it may hold.

    Returns: the hashes of the chosen transactions, and the base fee that they pay.
    """
    sizes = {envelope.hash: len(envelope.tx.operations) for envelope in waiting}
    if sum(sizes.values()) <= room:
        return set(sizes), rules.BASE_FEE
    taken: dict[bytes, int] = {}
    left = room
    for envelope in sorted(waiting, key=bid, reverse=True):
        if sizes[envelope.hash] > left:
            break
        left -= sizes[envelope.hash]
        taken[envelope.hash] = bid(envelope)
    return set(taken), min(taken.values(), default=rules.BASE_FEE)


@dataclass(slots=True)
class Statistics:
    """The inclusion fees of a lane in recent ledgers. ledgers: how many ledgers are counted."""

    ledgers: int
    _paid: deque[list[int]] = field(default_factory=deque)

    def add(self, paid: list[int]) -> None:
        """Add the fees of one ledger."""
        self._paid.append(paid)
        if len(self._paid) > self.ledgers:
            self._paid.popleft()

    def shown(self) -> Mapping[str, str | int]:
        """Describe the fees in the form of getFeeStats; without transactions every number is 0."""
        fees = sorted(fee for ledger in self._paid for fee in ledger)
        count = len(fees)
        told = {"max": 0, "min": 0, "mode": 0, **{f"p{part}": 0 for part in PERCENTS}}
        if fees:
            told |= {"max": fees[-1], "min": fees[0], "mode": _mode(fees)}
            told |= {f"p{part}": fees[-(-part * count // 100) - 1] for part in PERCENTS}
        shown = {name: str(fee) for name, fee in told.items()}
        return {**shown, "transactionCount": str(count), "ledgerCount": len(self._paid)}


def _mode(fees: Sequence[int]) -> int:
    """Return the fee that was paid most often; of several, the lowest."""
    return max(dict.fromkeys(fees), key=fees.count)
