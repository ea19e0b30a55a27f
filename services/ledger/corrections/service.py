"""The use cases of corrections, one transaction each.

The operator's name comes with the call. It is not proven if operators share one secret.
"""

import uuid
from collections.abc import Callable

from chassis.audit import Change, Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.telemetry import logger
from kernel.errors import FailedPrecondition, Unavailable
from kernel.ids import MarketplaceId, new_id
from kernel.money import to_text
from services.ledger.batch import ATTEMPTS, Batcher, pause
from services.ledger.book import TransferStatus, is_limited
from services.ledger.corrections.domain import (
    AccountNotFound,
    Correction,
    CorrectionNotFound,
    Draft,
    Verdict,
    check_decision,
    check_draft,
    check_verdict,
    transfer_of,
)
from services.ledger.corrections.store import CorrectionStore
from services.ledger.trouble import Trouble, trouble_of

log = logger()


class Corrections:
    """Proposes, decides and lists corrections."""

    def __init__(
        self,
        *,
        database: Database,
        batcher: Batcher,
        store: CorrectionStore,
        idempotency: Idempotency,
        encode: Callable[[Correction], bytes],
    ) -> None:
        self._database = database
        self._batcher = batcher
        self._store = store
        self._idempotency = idempotency
        self._trail = Trail()
        self._encode = encode

    async def propose(self, *, key: RequestKey, draft: Draft, by: str) -> Answer:
        """Store a proposal; no money moves.

        A user's or an escrow's account must exist. A house account is opened at its first transfer.

        Raises: InvalidArgument; AccountNotFound; IdempotencyKeyReused; IdempotencyKeyInProgress.
        """
        marketplace_id = MarketplaceId(key.marketplace_id)
        check_draft(draft)

        async def work(tx: Transaction) -> bytes:
            for name in filter(is_limited, (draft.debit, draft.credit)):
                if not await self._store.has_account(
                    tx, marketplace_id=marketplace_id, asset=draft.asset, name=name
                ):
                    raise AccountNotFound(f"The marketplace has no account {name} in {draft.asset}")
            correction_id = new_id()
            await self._store.add(
                tx,
                marketplace_id=marketplace_id,
                correction_id=correction_id,
                draft=draft,
                by=by,
            )
            change = _proposed(correction_id, draft)
            await self._trail.record(tx, change, marketplace_id=marketplace_id)
            return self._encode(await self._get(tx, marketplace_id, correction_id))

        return await self._idempotency.execute(self._database, key, work)

    async def decide(
        self, *, marketplace_id: MarketplaceId, correction_id: uuid.UUID, verdict: Verdict, by: str
    ) -> Correction:
        """Approve a correction and post its transfer, or reject it; a retry returns the same.

        Raises: CorrectionNotFound; SameOperator; CorrectionExpired; CorrectionDecided;
            FailedPrecondition: the ledger refuses the transfer, and the proposal stays open;
            Unavailable: the outcome may be unknown; a retry is safe.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._database.transaction() as tx:
                    found = await self._get(tx, marketplace_id, correction_id)
                    decided = await self._decide(tx, marketplace_id, found, verdict, by)
            except Exception as error:
                if trouble_of(error) is not Trouble.RACE:
                    raise
                if attempt == ATTEMPTS:
                    raise Unavailable("The ledger is busy") from error
            else:
                log.warning(
                    "ledger.correction_decided",
                    correction_id=str(correction_id),
                    verdict=verdict.value,
                    proposed_by=found.proposed_by,
                    decided_by=by,
                )
                return decided
            await pause(attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def page(
        self, *, marketplace_id: MarketplaceId, only_open: bool, after: int, size: int
    ) -> list[Correction]:
        """Return a page of corrections, oldest first; one more if another page follows."""
        async with self._database.transaction() as tx:
            return await self._store.page(
                tx,
                marketplace_id=marketplace_id,
                only_open=only_open,
                after=after,
                limit=size + 1,
            )

    async def _decide(
        self,
        tx: Transaction,
        marketplace_id: MarketplaceId,
        found: Correction,
        verdict: Verdict,
        by: str,
    ) -> Correction:
        check_decision(found, verdict=verdict, by=by)
        if found.verdict is None:
            transfer = transfer_of(found) if verdict is Verdict.APPROVED else None
            is_first = await self._store.decide(
                tx,
                marketplace_id=marketplace_id,
                found=found,
                verdict=verdict,
                by=by,
                transfer_id=None if transfer is None else transfer.id,
            )
            if is_first and transfer is not None:
                result = await self._batcher.post_one(
                    tx, marketplace_id=marketplace_id, transfer=transfer
                )
                if result.status is TransferStatus.REFUSED:
                    raise FailedPrecondition(
                        "The ledger refuses the transfer; the correction stays open",
                        reason=result.reason,
                    )
            if is_first:
                change = _decided(found, verdict)
                await self._trail.record(tx, change, marketplace_id=marketplace_id)
            found = await self._get(tx, marketplace_id, found.id)
        check_verdict(found, verdict)
        return found

    async def _get(
        self, tx: Transaction, marketplace_id: MarketplaceId, correction_id: uuid.UUID
    ) -> Correction:
        found = await self._store.find(
            tx, marketplace_id=marketplace_id, correction_id=correction_id
        )
        if found is None:
            raise CorrectionNotFound("Correction not found")
        return found


def _proposed(correction_id: uuid.UUID, draft: Draft) -> Change:
    return Change(
        action="correction.propose",
        target_type="correction",
        target_id=str(correction_id),
        after={
            "debitAccount": draft.debit,
            "creditAccount": draft.credit,
            "amount": to_text(draft.amount),
            "reason": draft.reason,
        },
    )


def _decided(found: Correction, verdict: Verdict) -> Change:
    return Change(
        action="correction.approve" if verdict is Verdict.APPROVED else "correction.reject",
        target_type="correction",
        target_id=str(found.id),
        before={"verdict": None, "proposedBy": found.proposed_by},
        after={"verdict": verdict.value, "proposedBy": found.proposed_by},
    )
