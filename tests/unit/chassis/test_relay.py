"""Waves of events: a wave has at most one event of an aggregate; waves keep its order."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from chassis.bus import Message
from chassis.relay import Row, waves


def a_row(number: int, aggregate: str) -> Row:
    message = Message(subject="order.created", message_id=f"evt_{number}", headers={}, body=b"{}")
    return Row(id=number, aggregate=("mkt", "Order", aggregate), message=message)


def test_no_events_give_no_wave() -> None:
    assert waves([]) == []


def test_events_of_different_aggregates_share_a_wave() -> None:
    rows = [a_row(1, "a"), a_row(2, "b"), a_row(3, "c")]

    assert waves(rows) == [rows]


def test_the_second_event_of_an_aggregate_waits_for_the_second_wave() -> None:
    a1, b1, a2, a3, b2 = (a_row(n, name) for n, name in enumerate("abaab"))

    assert waves([a1, b1, a2, a3, b2]) == [[a1, b1], [a2, b2], [a3]]


def test_aggregate_is_identified_by_type_and_id() -> None:
    order = a_row(1, "x")
    balance = Row(id=2, aggregate=("mkt", "Balance", "x"), message=order.message)

    assert waves([order, balance]) == [[order, balance]]


@given(st.lists(st.sampled_from("abcde"), max_size=60))
def test_waves_keep_every_row_once_and_every_aggregate_in_order(names: list[str]) -> None:
    rows = [a_row(number, name) for number, name in enumerate(names)]

    result = waves(rows)

    seen: dict[object, list[int]] = defaultdict(list)
    for wave in result:
        assert len({row.aggregate for row in wave}) == len(wave) > 0
        for row in wave:
            seen[row.aggregate].append(row.id)
    assert all(ids == sorted(ids) for ids in seen.values())
    assert sorted(n for ids in seen.values() for n in ids) == list(range(len(rows)))
