"""Milestones: the states in which they can be completed, and what a release requires."""

import datetime as dt
from dataclasses import replace

import pytest

from kernel.money import CENT
from services.orders.order import milestones, use_cases
from services.orders.order.domain import Milestone, Order, OrderInWrongState, Party, State
from services.orders.order.milestones import MilestoneNotFound, MilestonesIncomplete
from services.orders.order.use_cases import Accepted, Kind
from tests.unit.orders.test_domain import NOW, an_order

LATER = NOW + dt.timedelta(hours=1)


def divided(state: State = State.IN_PROGRESS, *, done: tuple[str, ...] = ()) -> Order:
    """Make an order of two milestones, of which some are completed."""
    parts = (
        Milestone(ref=ref, title=ref, minor_units=4000 * CENT, completed_at=NOW)
        if ref in done
        else Milestone(ref=ref, title=ref, minor_units=4000 * CENT)
        for ref in ("draft", "final")
    )
    return replace(an_order(state), milestones=tuple(parts))


def released(order: Order, *, is_forced: bool = False) -> Accepted:
    return use_cases.release(
        order, by=Party.BUYER, delta_score_tenths=None, is_forced=is_forced, at=LATER
    )


@pytest.mark.parametrize("state", State)
def test_milestone_is_completed_in_progress_only(state: State) -> None:
    order = divided(state)

    if state is State.IN_PROGRESS:
        accepted = use_cases.complete_milestone(order, ref="final")
        assert accepted.order is order
        assert accepted.work is not None
        assert accepted.work.kind is Kind.COMPLETE_MILESTONE
        assert accepted.work.context == {"ref": "final", "place": "1"}
        return
    with pytest.raises(OrderInWrongState) as refusal:
        use_cases.complete_milestone(order, ref="final")
    assert refusal.value.details["allowedStates"] == ["IN_PROGRESS"]


@pytest.mark.parametrize("state", State)
def test_unknown_milestone_is_not_found_in_any_state(state: State) -> None:
    for order in (divided(state), an_order(state)):
        with pytest.raises(MilestoneNotFound):
            use_cases.complete_milestone(order, ref="other")


def test_milestone_is_completed_once() -> None:
    with pytest.raises(OrderInWrongState):
        use_cases.complete_milestone(divided(done=("draft",)), ref="draft")


def test_completion_changes_only_its_milestone_and_has_an_event() -> None:
    after, [fact] = milestones.completed(divided(), ref="draft", at=LATER)

    assert [one.completed_at for one in after.milestones] == [LATER, None]
    assert after.state is State.IN_PROGRESS
    assert fact.event_type == "order.milestone_completed"
    assert fact.payload == {
        "orderId": after.public_id,
        "ref": "draft",
        "completedAt": "2026-02-18T11:00:00.000Z",
    }


def test_release_before_all_milestones_are_completed_names_the_open_ones() -> None:
    with pytest.raises(MilestonesIncomplete) as refusal:
        released(divided(done=("draft",)))

    assert refusal.value.details["openMilestones"] == ["final"]


def test_forced_release_pays_although_milestones_are_open() -> None:
    after = released(divided(), is_forced=True)

    assert after.order.state is State.RELEASE_REQUESTED


def test_release_with_all_milestones_completed_or_without_any_is_accepted() -> None:
    for order in (divided(done=("draft", "final")), an_order(State.IN_PROGRESS)):
        assert released(order).order.state is State.RELEASE_REQUESTED


@pytest.mark.parametrize("state", [state for state in State if state is not State.IN_PROGRESS])
def test_wrong_state_is_refused_before_open_milestones(state: State) -> None:
    with pytest.raises(OrderInWrongState):
        released(divided(state))


def test_buyer_who_accepts_the_work_accepts_all_milestones() -> None:
    after = use_cases.confirm(divided(), user_id=an_order().buyer.id, at=LATER)

    assert after.order.state is State.RELEASE_REQUESTED
