"""A case's waits: an overdue wait is published once, and never after the wait has ended."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.disputes import domain
from services.disputes.domain import Dispute
from services.disputes.rulings import DisputeDecision
from services.disputes.waits import NO_WAITS, Wait, begun
from tests.unit.disputes.test_domain import NOON, a_dispute, a_proposal

HOUR = dt.timedelta(hours=1)
WAITS = begun(time=NOON, answer_within=24 * HOUR, decide_within=168 * HOUR)


def a_waiting_case() -> Dispute:
    return replace(a_dispute(), waits=WAITS)


def told(case: Dispute, *, after: dt.timedelta) -> tuple[Dispute, list[object]]:
    """Publish what is due this long after the opening, as one turn of the loop does."""
    seen: list[object] = []
    while (one := domain.tell_overdue(case, time=NOON + after, at=NOON + after)) is not None:
        case, fact = one
        assert fact.event_type == "dispute.overdue"
        seen.append(fact.payload["waitsFor"])
    return case, seen


def decided(case: Dispute, *, after: dt.timedelta) -> Dispute:
    case = domain.decide(case, a_proposal(DisputeDecision.FULL_REFUND), at=NOON + after)
    return replace(case, waits=case.waits.answered(time=NOON + after))


def test_overdue_event_is_published_when_the_wait_is_due_and_not_before() -> None:
    case = a_waiting_case()
    before, early = told(case, after=24 * HOUR - dt.timedelta(microseconds=1))

    after, seen = told(case, after=24 * HOUR)

    assert (before, early) == (case, [])
    assert seen == ["FIRST_ANSWER"]
    assert (case.overdue_since, after.overdue_since) == (None, NOON + 24 * HOUR)
    assert after.version == case.version + 1


def test_overdue_event_names_the_wait_its_due_time_and_the_agent() -> None:
    case = replace(a_waiting_case(), assigned_to="agent-7")

    one = domain.tell_overdue(case, time=NOON + 25 * HOUR, at=NOON)

    assert one is not None
    payload = dict(one[1].payload)
    assert {payload.pop("disputeId"), payload.pop("orderId")} != {None}
    assert payload == {
        "waitsFor": "FIRST_ANSWER",
        "dueAt": "2026-02-19T12:00:00.000Z",
        "assignedTo": "agent-7",
    }


def test_both_overdue_waits_are_published_in_one_turn_earlier_first() -> None:
    after, seen = told(a_waiting_case(), after=500 * HOUR)

    assert seen == ["FIRST_ANSWER", "DECISION"]
    assert told(after, after=501 * HOUR) == (after, [])


def test_an_answer_ends_the_first_wait_and_leaves_the_other() -> None:
    case, _ = told(a_waiting_case(), after=30 * HOUR)
    case = replace(case, waits=case.waits.answered(time=NOON + 31 * HOUR))

    again = case.waits.answered(time=NOON + 32 * HOUR)

    assert case.overdue_since is None
    assert again.first_answered_at == NOON + 31 * HOUR
    assert told(case, after=168 * HOUR)[1] == ["DECISION"]


def test_a_decision_ends_both_waits() -> None:
    case = decided(a_waiting_case(), after=HOUR)

    assert told(case, after=500 * HOUR) == (case, [])
    assert case.waits.first_answered_at == NOON + HOUR


def test_a_withdrawn_decision_leaves_the_case_waiting_for_another() -> None:
    late, _ = told(a_waiting_case(), after=200 * HOUR)
    case = domain.withdraw(decided(late, after=201 * HOUR), at=NOON)

    assert case.overdue_since == NOON + 168 * HOUR
    assert told(case, after=300 * HOUR) == (case, [])
    early = domain.withdraw(decided(a_waiting_case(), after=HOUR), at=NOON)
    assert told(early, after=168 * HOUR)[1] == ["DECISION"]


@pytest.mark.parametrize(
    ("answer", "decide", "expected"),
    [(None, None, []), (24 * HOUR, None, ["FIRST_ANSWER"]), (None, 168 * HOUR, ["DECISION"])],
)
def test_wait_that_the_marketplace_turned_off_never_becomes_overdue(
    answer: dt.timedelta | None, decide: dt.timedelta | None, expected: list[str]
) -> None:
    waits = begun(time=NOON, answer_within=answer, decide_within=decide)

    assert told(replace(a_dispute(), waits=waits), after=9999 * HOUR)[1] == expected
    assert begun(time=NOON, answer_within=None, decide_within=None) == NO_WAITS


STEPS = st.lists(
    st.tuples(st.sampled_from(["look", "answer", "decide", "withdraw"]), st.integers(0, 60)),
    max_size=30,
)


@given(STEPS)
def test_each_wait_is_published_once_and_only_while_overdue(
    steps: list[tuple[str, int]],
) -> None:
    case, after, seen = a_waiting_case(), dt.timedelta(), list[object]()
    for step, hours in steps:
        after += hours * HOUR
        if step == "look":
            running = case.waits.running(is_decided=case.ruling is not None)
            late = {wait for wait, at in running.items() if at <= NOON + after}
            expected = late - case.waits.told
            case, new = told(case, after=after)
            assert set(new) == expected
            seen += new
        elif step == "answer":
            case = replace(case, waits=case.waits.answered(time=NOON + after))
        elif step == "decide":
            case = decided(case, after=after)
        else:
            case = domain.withdraw(case, at=NOON + after)
        running = case.waits.running(is_decided=case.ruling is not None)
        mine = [at for wait, at in running.items() if wait in case.waits.told]
        assert case.overdue_since == min(mine, default=None)
    assert len(seen) == len(set(seen)) == len(case.waits.told)
    assert set(seen) <= set(Wait)
    assert case.version == 1 + len(seen)
