"""Topic filters of getEvents: exact segments, one wildcard, the rest wildcard."""

from typing import Any

import pytest
from stellar_sdk import StrKey, scval

from devnet.network.records import EventId, EventRecord
from devnet.rpc.errors import RpcError
from devnet.rpc.event_methods import parse_filters

TRANSFER = scval.to_symbol("transfer").to_xdr()
MINT = scval.to_symbol("mint").to_xdr()
OTHER = StrKey.encode_contract(b"\x01" * 32)
CONTRACT = "CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD2KM"


def event(*topics: str) -> EventRecord:
    return EventRecord(
        id=EventId(1, 1, 0, 0),
        close_time=0,
        contract=CONTRACT,
        topics=topics,
        value="",
        tx_hash="",
    )


@pytest.mark.parametrize(
    ("pattern", "topics", "expected"),
    [
        ([TRANSFER], [TRANSFER], True),
        ([TRANSFER], [MINT], False),
        ([TRANSFER], [TRANSFER, MINT], False),
        ([TRANSFER, "*"], [TRANSFER, MINT], True),
        ([TRANSFER, "*"], [TRANSFER], False),
        (["*", MINT], [TRANSFER, MINT], True),
        ([TRANSFER, "**"], [TRANSFER], True),
        ([TRANSFER, "**"], [TRANSFER, MINT, MINT, MINT], True),
        ([TRANSFER, "*", "**"], [TRANSFER], False),
        (["**"], [], True),
    ],
)
def test_topic_pattern_matches_exact_segments_and_wildcards(
    pattern: list[str], topics: list[str], *, expected: bool
) -> None:
    (found,) = parse_filters([{"topics": [pattern]}])

    assert found.matches(event(*topics)) is expected


def test_one_of_several_patterns_is_enough() -> None:
    (found,) = parse_filters([{"topics": [[MINT], [TRANSFER]]}])

    assert found.matches(event(TRANSFER))


def test_a_filter_of_another_contract_or_kind_does_not_match() -> None:
    contracts, others, kinds = parse_filters(
        [{"contractIds": [CONTRACT]}, {"contractIds": [OTHER]}, {"type": "system"}]
    )

    assert contracts.matches(event(TRANSFER))
    assert not others.matches(event(TRANSFER))
    assert not kinds.matches(event(TRANSFER))
    with pytest.raises(RpcError):
        parse_filters([{"contractIds": [OTHER[:-1]]}])


@pytest.mark.parametrize(
    "filters",
    [
        [{}] * 6,
        "none",
        ["none"],
        [{"type": "gossip"}],
        [{"contractIds": [CONTRACT] * 6}],
        [{"topics": [[]]}],
        [{"topics": [["**", TRANSFER]]}],
        [{"topics": [["*"] * 5]}],
        [{"topics": [["not xdr"]]}],
        [{"topics": [["*"]] * 6}],
    ],
)
def test_invalid_filter_is_refused(filters: Any) -> None:
    with pytest.raises(RpcError):
        parse_filters(filters)
