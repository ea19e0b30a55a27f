"""Alarms for payouts and changes of our contracts that no step of ours has made.

Either somebody else has a key of ours, or the books lack one of our transactions. Nothing is
decided here.
"""

from collections.abc import Sequence

from chassis.database import Transaction
from chassis.telemetry import logger
from services.escrow.contracts.evidence import ContractChange, ReceivedTransfer, TransfersPage
from services.escrow.deposits.foreign_store import ForeignChanges
from services.escrow.deposits.store import Deposits
from services.escrow.measures import FOREIGN_CHANGES, FOREIGN_PAYOUTS

log = logger()


class Foreign:
    """Checks the pages that the watcher has read, in the watcher's transaction."""

    def __init__(self, *, deposits: Deposits) -> None:
        self._deposits = deposits
        self._changes = ForeignChanges()

    async def report(self, tx: Transaction, page: TransfersPage) -> None:
        """Report what a page shows of our contracts and is not our doing."""
        paid = [t for t in page.transfers if t.from_address.startswith("C")]
        touched = sorted({t.from_address for t in paid} | {c.contract_id for c in page.changes})
        if not touched:
            return
        contracts = await self._deposits.contracts_among(tx, touched)
        payouts = [t for t in paid if t.from_address in contracts]
        changes = [c for c in page.changes if c.contract_id in contracts]
        hashes = {t.transaction_hash for t in payouts} | {c.transaction_hash for c in changes}
        if not hashes:
            return
        ours = await self._deposits.our_transactions_among(tx, sorted(hashes))
        _tell_payouts([t for t in payouts if t.transaction_hash not in ours])
        foreign = [c for c in changes if c.transaction_hash not in ours]
        await self._changes.add(tx, foreign)
        _tell_changes(foreign)


def _tell_payouts(transfers: Sequence[ReceivedTransfer]) -> None:
    for transfer in transfers:
        FOREIGN_PAYOUTS.inc()
        log.error(
            "watcher.foreign_payout",
            contract=transfer.from_address,
            transaction=transfer.transaction_hash,
            address=transfer.to_address,
            minor_units=transfer.amount,
        )


def _tell_changes(changes: Sequence[ContractChange]) -> None:
    for change in changes:
        FOREIGN_CHANGES.inc()
        log.error(
            "watcher.foreign_change",
            contract=change.contract_id,
            change=change.name,
            transaction=change.transaction_hash,
        )
