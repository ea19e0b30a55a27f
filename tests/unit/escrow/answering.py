"""A node that answers what a test says, method by method, over the real client."""

from collections.abc import Mapping
from typing import Any

import orjson

from services.escrow.stellar.http import Http, JsonAnswer
from services.escrow.stellar.rpc import Rpc
from tests.unit.escrow.stellar_envelopes import OPTIONS


class AnsweringHttp(Http):
    """Answers JSON-RPC. results: by method; an exception's text is an error of the node."""

    def __init__(self, **results: Any) -> None:
        super().__init__(timeout_seconds=1)
        network = {"passphrase": OPTIONS.network_passphrase, "protocolVersion": 26}
        forgotten = RuntimeError("start ledger (1) must be between the oldest ledger: 2 and …")
        self.results = {"getNetwork": network, "getLedgers": forgotten, **results}
        self.asked: list[dict[str, Any]] = []

    async def post(
        self,
        url: str,
        data: dict[str, str] | None = None,  # noqa: ARG002 - the client's own shape
        json_data: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - the same
    ) -> JsonAnswer:
        """Answer a request. Nothing is connected to."""
        assert json_data is not None
        self.asked.append(json_data)
        result = self.results[json_data["method"]]
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": json_data["id"]}
        if isinstance(result, Exception):
            answer["error"] = {"code": -32600, "message": str(result)}
        else:
            answer["result"] = result
        return JsonAnswer(200, orjson.dumps(answer).decode(), {}, url)


def rpc_of(http: AnsweringHttp) -> Rpc:
    """Return a client of the node."""
    return Rpc(options=OPTIONS, http=http)
