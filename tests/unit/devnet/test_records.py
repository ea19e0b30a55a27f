"""Event ids: the packed spelling of Stellar RPC, in order and reversible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devnet.network.records import EVENT_MASK, OPERATION_MASK, TRANSACTION_MASK, EventId

IDS = st.builds(
    EventId,
    st.integers(0, 2**31 - 1),
    st.integers(0, TRANSACTION_MASK),
    st.integers(0, OPERATION_MASK),
    st.integers(0, EVENT_MASK),
)


def test_an_id_is_spelled_as_nineteen_digits_and_ten() -> None:
    assert str(EventId(60, 1, 0, 2)) == "0000000257698041856-0000000002"


@given(IDS)
def test_an_id_is_read_back(event_id: EventId) -> None:
    assert EventId.parse(str(event_id)) == event_id


@given(st.lists(IDS, min_size=2, max_size=5))
def test_text_order_is_ledger_order(ids: list[EventId]) -> None:
    assert [str(item) for item in sorted(ids)] == sorted(str(item) for item in ids)


@pytest.mark.parametrize("text", ["", "1", "-1", "1-", "x-1", "1-1-1", f"{2**63}-0"])
def test_other_texts_are_not_ids(text: str) -> None:
    with pytest.raises(ValueError, match="invalid event id"):
        EventId.parse(text)
