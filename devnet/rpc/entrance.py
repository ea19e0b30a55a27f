"""The entrance of requests: Stellar RPC requests go straight to it, others to the routes.

Clients ask Stellar RPC so often that routing and middleware would cost more than most answers.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from devnet.rpc.server import RpcServer

PATHS = frozenset({"/rpc", "/"})


class Entrance:
    """The devnet as an ASGI application. routes: contains routes for Stellar RPC too."""

    def __init__(self, *, routes: ASGIApp, rpc: RpcServer) -> None:
        self._routes = routes
        self._rpc = rpc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not _is_plain_rpc(scope):
            await self._routes(scope, receive, send)
            return
        response = await self._rpc.handle(Request(scope, receive))
        # As the middleware does.
        response.headers.add_vary_header("Origin")
        await response(scope, receive, send)


def _is_plain_rpc(scope: Scope) -> bool:
    """Tell whether a request is for Stellar RPC, and not from a web page of another origin."""
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and scope["path"] in PATHS
        and all(name != b"origin" for name, _ in scope["headers"])
    )
