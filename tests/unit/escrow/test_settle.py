"""How soon a sender looks again for what it has sent: it depends on what the node answered."""

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.escrow.contracts.evidence import (
    OutcomeStatus,
    Prepared,
    Submission,
    SubmitStatus,
    TransactionOutcome,
)
from services.escrow.contracts.steps import Attempt, Step, StepName, StepState
from services.escrow.sending.sender import Pace, Sender

LEDGER_SECONDS, POLL_SECONDS, LOOKS = 5.0, 0.1, 4
STEP = Step(
    id=uuid.UUID(int=1), position=0, name=StepName.DEPLOY, state=StepState.PLANNED, terms={}
)
PREPARED = Prepared(
    hash="ab" * 32,
    envelope_xdr="",
    source="G",
    sequence=1,
    max_time=2**40,
    max_fee=1,
    network="",
)
ATTEMPT = Attempt(number=1, prepared=PREPARED, prepared_at_ledger=1)


class Node:
    """Answers a submission in one way, and finds the transaction at the last of some looks."""

    def __init__(self, status: SubmitStatus) -> None:
        self._status, self._looks = status, 0

    async def submit(self, _envelope_xdr: str) -> Submission:
        return Submission(status=self._status)

    async def outcome(self, transaction_hash: str) -> TransactionOutcome:
        self._looks += 1
        found = OutcomeStatus.SUCCEEDED if self._looks == LOOKS else OutcomeStatus.NOT_FOUND
        return TransactionOutcome(
            hash=transaction_hash,
            status=found,
            latest_ledger=9,
            latest_close_time=0,
            oldest_ledger=1,
        )


async def pauses(status: SubmitStatus, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Settle an envelope right after a ledger has closed; returns the pauses between looks."""
    parts: dict[str, Any] = dict.fromkeys(
        ("database", "journal", "landings", "flows", "builder", "keyring")
    )
    sender = Sender(
        **parts,
        chain=cast("Any", Node(status)),
        pace=Pace(poll_seconds=POLL_SECONDS, transaction_seconds=60),
        is_bumping=False,
    )
    now, slept, real = [0.0], list[float](), asyncio.sleep
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("services.escrow.sending.sender.time", clock)
    monkeypatch.setattr(sender._ledgers, "_clock", lambda: now[0])

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    for sequence in range(1, 9):
        sender._ledgers.saw(sequence)
        now[0] += LEDGER_SECONDS - POLL_SECONDS
        sender._ledgers.saw(sequence)
        now[0] += POLL_SECONDS
    sender._ledgers.saw(9)
    outcome = await sender.settle(STEP, ATTEMPT, is_new=True)
    assert outcome.status is OutcomeStatus.SUCCEEDED
    return slept


async def test_a_pending_transaction_is_looked_for_when_a_ledger_closes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (await pauses(SubmitStatus.PENDING, monkeypatch))[0] > LEDGER_SECONDS / 2


@pytest.mark.parametrize("status", [SubmitStatus.REFUSED, SubmitStatus.TRY_AGAIN_LATER])
async def test_what_a_node_does_not_take_is_looked_for_soon_and_then_more_seldom(
    status: SubmitStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = await pauses(status, monkeypatch)

    assert slept[0] == pytest.approx(POLL_SECONDS)
    assert slept == sorted(slept)
    assert POLL_SECONDS < slept[-1] < LEDGER_SECONDS / 2
