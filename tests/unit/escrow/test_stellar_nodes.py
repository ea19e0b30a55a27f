"""Several nodes: the first healthy node is used; a node of another network never is."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from services.escrow.ports import ChainUnavailable
from services.escrow.stellar.http import Http, JsonAnswer
from services.escrow.stellar.nodes import headers_in
from services.escrow.stellar.rpc import Rpc
from tests.unit.escrow.stellar_envelopes import OPTIONS

FIRST, SECOND = "http://first", "http://second"
CLOSED = 1_700_000_000


@dataclass
class FakeNode:
    """A node's state and its answers. asked, headers: the methods and headers of its requests."""

    passphrase: str = OPTIONS.network_passphrase
    protocol: int = 25
    oldest: int = 10
    latest: int = 100
    is_up: bool = True
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str] | None] = field(default_factory=list)

    def result(self, method: str) -> dict[str, Any]:
        ledger = {"latestLedger": self.latest, "oldestLedger": self.oldest}
        return {
            "getNetwork": {"passphrase": self.passphrase, "protocolVersion": self.protocol},
            "getHealth": {"status": "healthy", "ledgerRetentionWindow": 90, **ledger},
            "getLatestLedger": {
                "id": "a" * 64,
                "protocolVersion": self.protocol,
                "sequence": self.latest,
                "closeTime": str(CLOSED),
                "headerXdr": "",
                "metadataXdr": "",
            },
            "getEvents": {"events": [], "cursor": "0-0", **ledger},
        }[method]


class TwoNodes(Http):
    """Two nodes behind one client."""

    def __init__(self, first: FakeNode, second: FakeNode) -> None:
        super().__init__(timeout_seconds=1)
        self._nodes = {FIRST: first, SECOND: second}

    async def post(
        self,
        url: str,
        data: dict[str, str] | None = None,  # noqa: ARG002 - the client's own shape
        json_data: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JsonAnswer:
        """Answer for the node with this URL."""
        node = self._nodes[url]
        assert json_data is not None
        node.asked.append(json_data["method"])
        node.headers.append(headers)
        if not node.is_up:
            raise OSError("refused")
        answer = {"jsonrpc": "2.0", "id": "1", "result": node.result(json_data["method"])}
        return JsonAnswer(200, orjson.dumps(answer).decode(), {}, url)


def rpc_of(first: FakeNode, second: FakeNode, **options: Any) -> Rpc:
    named = replace(OPTIONS, rpc_url=FIRST, spare_rpc_urls=(SECOND,), **options)
    return Rpc(options=named, http=TwoNodes(first, second))


async def test_first_node_is_used_while_it_is_healthy() -> None:
    first, second = FakeNode(latest=101), FakeNode(latest=102)

    assert (await rpc_of(first, second).latest_ledger()).sequence == 101

    assert "getLatestLedger" not in second.asked


async def test_next_node_is_used_if_the_first_does_not_answer() -> None:
    first, second = FakeNode(is_up=False), FakeNode(latest=102)
    rpc = rpc_of(first, second)

    assert [(await rpc.latest_ledger()).sequence for _ in range(3)] == [102] * 3

    assert "getLatestLedger" not in first.asked


async def test_failing_node_is_avoided_and_the_next_node_answers_the_call() -> None:
    first, second = FakeNode(), FakeNode(latest=102)
    rpc = rpc_of(first, second)
    await rpc.latest_ledger()
    first.is_up = False

    assert (await rpc.latest_ledger()).sequence == 102
    asked = len(first.asked)
    assert (await rpc.latest_ledger()).sequence == 102

    assert len(first.asked) == asked


async def test_node_that_lags_by_five_ledgers_is_not_used() -> None:
    first, second = FakeNode(latest=95), FakeNode(latest=100)

    assert (await rpc_of(first, second).latest_ledger()).sequence == 100


async def test_node_of_another_network_is_never_used_even_as_the_last_one() -> None:
    first, second = FakeNode(passphrase="Another network"), FakeNode()
    rpc = rpc_of(first, second)
    with capture_logs() as logs:
        await rpc.latest_ledger()
    second.is_up = False

    with pytest.raises(ChainUnavailable):
        await rpc.latest_ledger()

    assert set(first.asked) == {"getNetwork", "getHealth"}
    assert "node.not_used" in [line["event"] for line in logs]


async def test_old_events_are_read_from_the_node_that_still_keeps_them() -> None:
    first, second = FakeNode(oldest=50), FakeNode(oldest=10)
    rpc = rpc_of(first, second)
    asked: dict[str, Any] = {"contract_id": "C", "topics": (("*",),), "cursor": None, "limit": 1}

    await rpc.events(**asked, start_ledger=20, ledger=20)
    await rpc.events(**asked, start_ledger=60, ledger=60)

    assert (first.asked.count("getEvents"), second.asked.count("getEvents")) == (1, 1)


async def test_node_of_a_newer_protocol_is_used_and_logged() -> None:
    first, second = FakeNode(protocol=99), FakeNode(protocol=99)

    with capture_logs() as logs:
        assert (await rpc_of(first, second).latest_ledger()).sequence == 100

    assert [line["event"] for line in logs].count("node.newer_protocol") == 1


async def test_header_with_a_key_is_sent_to_its_own_node_only(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text(f"{FIRST} Authorization: Bearer s3cret\n\n")
    first, second = FakeNode(), FakeNode()
    rpc = rpc_of(first, second, rpc_headers=headers_in(file))

    await rpc.latest_ledger()

    assert first.headers[-1] == {"Authorization": "Bearer s3cret"}
    assert set(map(bool, second.headers)) == {False}


@pytest.mark.parametrize("line", ["s3cret", "http://first s3cret", "http://first Name: \x01"])
def test_invalid_header_line_is_refused_without_printing_it(tmp_path: Path, line: str) -> None:
    file = tmp_path / "headers"
    file.write_text(line)

    with pytest.raises(ValueError, match="line 1") as refused:
        headers_in(file)

    assert "s3cret" not in str(refused.value)
