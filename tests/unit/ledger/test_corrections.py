"""Corrections: who may decide on one, and the transfer it becomes."""

import uuid
from dataclasses import replace

import pytest

from kernel.errors import InvalidArgument
from services.ledger.book import TransferCode, TransferType
from services.ledger.corrections.domain import (
    LIFETIME,
    Correction,
    CorrectionDecided,
    CorrectionExpired,
    Draft,
    SameOperator,
    Verdict,
    check_decision,
    check_draft,
    check_verdict,
    transfer_of,
)
from tests.unit.ledger.asking import ANN, AT

ALICE, BOB = "alice", "bob"
DRAFT = Draft(
    debit="external:stellar",
    credit=ANN,
    asset="USDC",
    amount=500,
    reason="The record of the deposit was refused",
    evidence_hash="ab" * 32,
    settles="evt_1",
    order_id=None,
    transaction_hash="cd" * 32,
)
PROPOSED = Correction(
    number=1,
    id=uuid.UUID(int=7),
    draft=DRAFT,
    proposed_by=ALICE,
    proposed_at=AT,
    expires_at=AT + LIFETIME,
    verdict=None,
    decided_by="",
    decided_at=None,
    transfer_id=None,
    is_expired=False,
)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (replace(DRAFT, amount=0), "amount"),
        (replace(DRAFT, amount=-1), "amount"),
        (replace(DRAFT, debit=ANN), "credit_account"),
    ],
)
def test_an_impossible_transfer_cannot_be_proposed(wrong: Draft, field: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_draft(wrong)

    assert [name for name, _ in refusal.value.fields] == [field]


def test_the_proposer_may_reject_but_not_approve() -> None:
    check_decision(PROPOSED, verdict=Verdict.REJECTED, by=ALICE)
    check_decision(PROPOSED, verdict=Verdict.APPROVED, by=BOB)

    with pytest.raises(SameOperator):
        check_decision(PROPOSED, verdict=Verdict.APPROVED, by=ALICE)


@pytest.mark.parametrize("verdict", Verdict)
def test_an_expired_proposal_cannot_be_decided(verdict: Verdict) -> None:
    with pytest.raises(CorrectionExpired):
        check_decision(replace(PROPOSED, is_expired=True), verdict=verdict, by=BOB)


@pytest.mark.parametrize("given", Verdict)
@pytest.mark.parametrize("asked", Verdict)
def test_a_decided_correction_accepts_the_same_verdict_only(given: Verdict, asked: Verdict) -> None:
    decided = replace(PROPOSED, verdict=given)

    if asked is given:
        check_verdict(decided, asked)
    else:
        with pytest.raises(CorrectionDecided):
            check_verdict(decided, asked)


def test_an_approved_correction_posts_one_transfer_of_its_own_code() -> None:
    transfer = transfer_of(PROPOSED)

    assert (transfer.type, transfer.code) == (TransferType.SINGLE, TransferCode.CORRECTION)
    assert (transfer.debit, transfer.credit, transfer.amount) == ("external:stellar", ANN, 500)
    assert (transfer.reason, transfer.transaction_hash) == (DRAFT.reason, "cd" * 32)
    assert transfer.id == transfer_of(PROPOSED).id
    assert transfer.id != transfer_of(replace(PROPOSED, id=uuid.UUID(int=8))).id
