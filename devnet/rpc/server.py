"""JSON-RPC 2.0 over POST: decode, find the method, encode. One request per body."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from devnet.faults import FaultKind, Faults
from devnet.rpc import errors
from devnet.rpc.errors import AnswerLostError, Params, RpcError, ServiceDownError

Method = Callable[[Params], Awaitable[dict[str, Any]]]

log = structlog.get_logger()


class LostAnswer(Response):
    """A response that ends before its body, so that the client loses the connection."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send a header that promises a body, and end."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class RpcServer:
    """The endpoint of Stellar RPC."""

    def __init__(self, *, methods: Mapping[str, Method], faults: Faults) -> None:
        self._methods = methods
        self._faults = faults

    async def handle(self, request: Request) -> Response:
        """Answer one POST."""
        request_id: object = None
        try:
            body = _decode(await request.body())
            request_id = body.get("id")
            result = await self._call(body)
        except ServiceDownError as down:
            return Response("no service now", status_code=down.status)
        except AnswerLostError as lost:
            if lost.status is None:
                return LostAnswer()
            return Response("gateway timeout", status_code=lost.status)
        except RpcError as error:
            return _answer(request_id, error={"code": error.code, "message": error.message})
        except Exception:
            log.exception("devnet.rpc_failed")
            failure = {"code": errors.INTERNAL_ERROR, "message": "internal error"}
            return _answer(request_id, error=failure)
        return _answer(request_id, result=result)

    async def _call(self, body: Mapping[str, Any]) -> dict[str, Any]:
        name = body.get("method")
        if body.get("jsonrpc") != "2.0" or not isinstance(name, str):
            raise RpcError(errors.INVALID_REQUEST, "invalid request")
        down = self._faults.take(FaultKind.RPC_DOWN, function=name)
        if down is not None:
            raise ServiceDownError(int(down.mode or "503"))
        method = self._methods.get(name)
        if method is None:
            raise RpcError(errors.METHOD_NOT_FOUND, "method not found")
        params = body.get("params")
        if params is None:
            params = {}
        if not isinstance(params, dict):
            raise errors.invalid("parameters must be an object")
        return await method(params)


def _decode(raw: bytes) -> Mapping[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RpcError(errors.PARSE_ERROR, "parse error") from error
    if not isinstance(body, dict):
        raise RpcError(errors.INVALID_REQUEST, "invalid request")
    return body


def _answer(request_id: object, **content: object) -> Response:
    body = {"jsonrpc": "2.0", "id": request_id, **content}
    return Response(orjson.dumps(body), media_type="application/json")
