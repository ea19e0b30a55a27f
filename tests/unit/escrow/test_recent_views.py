"""Decisions need a view of the contract that shows all our landed transactions."""

from dataclasses import replace

import pytest

from services.escrow.contracts.evidence import Prepared
from services.escrow.contracts.plan import plan_freeze, plan_resolve
from services.escrow.contracts.steps import Attempt, AttemptState, StepState
from services.escrow.domain import PayeeRole
from services.escrow.ports import ChainUnavailable
from services.escrow.sending.decide import Decider
from services.escrow.sending.landings import ChannelNumber
from services.escrow.sending.work import Work
from tests.unit.escrow.test_fees_on_chain import _NONE, FEES, escrow, step, view, work

LANDED = Attempt(
    number=1,
    prepared=Prepared(
        hash="h", envelope_xdr="", source="G", sequence=1, max_time=1, max_fee=1, network="n"
    ),
    prepared_at_ledger=6,
    state=AttemptState.SUCCEEDED,
    ledger=7,
)


def frozen(*, known: int, own: Attempt | None = None) -> Work:
    """Return a command that freezes and resolves.

    known: the last ledger with a transaction of ours before the command. own: the freeze's attempt.
    """
    freeze = step(plan_freeze()[0])
    if own is not None:
        freeze = replace(freeze, state=StepState.SUCCEEDED, attempts=(own,))
    resolve = step(plan_resolve(is_frozen=True, seller=0, buyer=165, fees=FEES)[0])
    return replace(work([freeze, resolve], 0, PayeeRole.BUYER), known_ledger=known)


@pytest.mark.parametrize(
    ("known", "own", "newest"), [(5, None, 5), (5, LANDED, 7), (9, LANDED, 9), (0, None, 0)]
)
def test_view_older_than_our_last_landed_transaction_is_refused(
    known: int, own: Attempt | None, newest: int
) -> None:
    decider = Decider(chain=_NONE, destinations=_NONE, places=_NONE, waking=_NONE)
    doing, shown = frozen(known=known, own=own), view(escrow(), read_at_ledger=newest)

    assert decider.require_recent(doing, shown) is shown
    with pytest.raises(ChainUnavailable):
        decider.require_recent(doing, replace(shown, read_at_ledger=newest - 1))
    with pytest.raises(ChainUnavailable):
        decider.require_recent(doing, None)


def test_freeze_is_ours_if_this_or_an_earlier_command_made_it() -> None:
    assert frozen(known=0, own=LANDED).was_frozen_by_us
    assert replace(frozen(known=0), was_frozen_before=True).was_frozen_by_us
    assert not frozen(known=0).was_frozen_by_us


def test_used_sequence_number_is_explained_by_a_signed_envelope_of_the_leaseholder() -> None:
    books = ChannelNumber(address="G", next_sequence=8, is_leased=True, is_signed=True)

    assert books.is_explained(8)
    assert not books.is_explained(9)
    assert not replace(books, is_signed=False).is_explained(8)
    assert not replace(books, is_leased=False).is_explained(8)
