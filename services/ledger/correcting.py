"""Corrections: one operator proposes a transfer, another approves it, and it is posted once.

Names of operators come with the call. Where all hold the services' one secret, a name is a claim.
"""

import uuid
from collections.abc import Callable

from chassis.database import Database, Transaction
from chassis.idempotency import Answer, Idempotency, RequestKey
from chassis.telemetry import logger
from kernel.errors import (
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from kernel.ids import MarketplaceId, TransferId, derived_id, new_id
from services.ledger.batch import Batcher, Posting, pause
from services.ledger.book import (
    NewTransfer,
    TransferCode,
    TransferStatus,
    TransferType,
    is_limited,
)
from services.ledger.proposals import Correction, Draft, ProposalStore, Verdict
from services.ledger.store import Trouble, trouble_of

ATTEMPTS = 6
log = logger()


class CorrectionNotFound(NotFound):
    """The marketplace has no such correction."""

    reason = "CORRECTION_NOT_FOUND"


class AccountNotFound(NotFound):
    """The marketplace has no such account."""

    reason = "ACCOUNT_NOT_FOUND"


class SameOperator(PermissionDenied):
    """Who proposed a correction cannot approve it."""

    reason = "SAME_OPERATOR"


class CorrectionExpired(FailedPrecondition):
    """Nobody approved it in time; it must be proposed again."""

    reason = "CORRECTION_EXPIRED"


class CorrectionDecided(FailedPrecondition):
    """It was decided the other way."""

    reason = "CORRECTION_DECIDED"


class Corrections:
    """The use cases; each is one transaction."""

    def __init__(
        self,
        *,
        database: Database,
        batcher: Batcher,
        store: ProposalStore,
        idempotency: Idempotency,
        encode: Callable[[Correction], bytes],
    ) -> None:
        self._database = database
        self._batcher = batcher
        self._store = store
        self._idempotency = idempotency
        self._encode = encode

    async def propose(self, *, key: RequestKey, draft: Draft, by: str) -> Answer:
        """Keep a proposal; nothing moves.

        Raises: InvalidArgument; AccountNotFound; IdempotencyKeyReused; IdempotencyKeyInProgress.
        """
        marketplace_id = MarketplaceId(key.marketplace_id)
        _check(draft)

        async def work(tx: Transaction) -> bytes:
            for name in (draft.debit, draft.credit):
                await self._require_account(tx, marketplace_id, draft.asset, name)
            correction_id = new_id()
            await self._store.add(
                tx,
                marketplace_id=marketplace_id,
                correction_id=correction_id,
                draft=draft,
                by=by,
            )
            return self._encode(await self._found(tx, marketplace_id, correction_id))

        return await self._idempotency.execute(self._database, key, work)

    async def decide(
        self, *, marketplace_id: MarketplaceId, correction_id: uuid.UUID, verdict: Verdict, by: str
    ) -> Correction:
        """Approve, which posts the transfer, or reject; again: the same answer.

        Raises: CorrectionNotFound; SameOperator; CorrectionExpired; CorrectionDecided;
            FailedPrecondition: the ledger refuses the transfer, and the proposal stays open;
            Unavailable: the outcome may be unknown, asking again is safe.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with self._database.transaction() as tx:
                    found = await self._found(tx, marketplace_id, correction_id)
                    decided = await self._decided(tx, marketplace_id, found, verdict, by)
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
        """Return a page of corrections, oldest first; one more where there is another page."""
        async with self._database.transaction() as tx:
            return await self._store.page(
                tx,
                marketplace_id=marketplace_id,
                only_open=only_open,
                after=after,
                limit=size + 1,
            )

    async def _decided(
        self,
        tx: Transaction,
        marketplace_id: MarketplaceId,
        found: Correction,
        verdict: Verdict,
        by: str,
    ) -> Correction:
        is_approval = verdict is Verdict.APPROVED
        if is_approval and found.proposed_by == by:
            raise SameOperator("A correction is approved by another operator than its proposer")
        if found.is_expired:
            raise CorrectionExpired("Nobody approved the correction in time; propose it again")
        if found.verdict is None:
            transfer_id = TransferId(derived_id(found.id, "correction")) if is_approval else None
            is_first = await self._store.decide(
                tx,
                marketplace_id=marketplace_id,
                found=found,
                verdict=verdict,
                by=by,
                transfer_id=transfer_id,
            )
            if is_first and transfer_id is not None:
                await self._post(tx, marketplace_id, _transfer(found, transfer_id))
            found = await self._found(tx, marketplace_id, found.id)
        if found.verdict is not verdict:
            raise CorrectionDecided("The correction was decided the other way")
        return found

    async def _post(
        self, tx: Transaction, marketplace_id: MarketplaceId, transfer: NewTransfer
    ) -> None:
        posting = Posting(marketplace_id=marketplace_id, transfers=(transfer,))
        [answer] = await self._batcher.apply(tx, [posting])
        if isinstance(answer, DomainError):
            raise answer
        [result] = answer.results
        if result.status is TransferStatus.REFUSED:
            raise FailedPrecondition(
                "The ledger refuses the transfer; the correction stays open", reason=result.reason
            )

    async def _found(
        self, tx: Transaction, marketplace_id: MarketplaceId, correction_id: uuid.UUID
    ) -> Correction:
        found = await self._store.find(
            tx, marketplace_id=marketplace_id, correction_id=correction_id
        )
        if found is None:
            raise CorrectionNotFound("There is no such correction")
        return found

    async def _require_account(
        self, tx: Transaction, marketplace_id: MarketplaceId, asset: str, name: str
    ) -> None:
        """Refuse a user's or an escrow's account that is not this marketplace's.

        The others are made when they are first named.
        """
        if is_limited(name) and not await self._store.has_account(
            tx, marketplace_id=marketplace_id, asset=asset, name=name
        ):
            raise AccountNotFound(f"The marketplace has no account {name} in {asset}")


def _check(draft: Draft) -> None:
    if draft.amount <= 0:
        raise InvalidArgument(
            "Invalid field: amount", fields=[("amount", "must be more than zero")]
        )
    if draft.debit == draft.credit:
        raise InvalidArgument(
            "Invalid field: credit_account", fields=[("credit_account", "is the debited account")]
        )


def _transfer(found: Correction, transfer_id: TransferId) -> NewTransfer:
    draft = found.draft
    return NewTransfer(
        id=transfer_id,
        type=TransferType.SINGLE,
        code=TransferCode.CORRECTION,
        debit=draft.debit,
        credit=draft.credit,
        asset=draft.asset,
        amount=draft.amount,
        pending_id=None,
        linked=False,
        order_id=draft.order_id,
        transaction_hash=draft.transaction_hash,
        reason=draft.reason,
    )
