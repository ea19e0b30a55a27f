"""Guarded HTTP: one POST, which connects only to an address that was checked.

The name is resolved once for each connection, all its addresses are checked, and the connection
goes to one of the checked addresses. TLS verifies the name, and the Host header contains it.
Redirects are not followed, proxies of the environment are not used, and at most 2 KiB of the
answer are read.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import aiodns
import aiodns.error
import httpcore

from services.webhooks import addresses
from services.webhooks.addresses import Address, Rules
from services.webhooks.domain import ANSWER_BYTES, Outcome, Trouble

SECONDS = 10.0
CONNECTIONS_MAX = 256
IDLE_SECONDS = 15.0
# The timeout of each name server, doubled at each try, and the number of tries.
NAME_SECONDS, NAME_TRIES = 2.0, 2
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_OK, _REDIRECTS, _ERRORS = 200, 300, 400


class AddressNotAllowed(Exception):
    """The name has an address to which events must not be sent."""


class NameNotResolved(Exception):
    """The name has no address."""


class Names:
    """Resolves names by the machine's name servers and hosts file, without threads.

    A thread pool is small, so slow name servers would delay the events of all marketplaces.
    servers: replace the machine's servers; each as address:port.
    """

    def __init__(self, servers: Sequence[str] | None = None) -> None:
        self._servers = servers
        self._resolver: aiodns.DNSResolver | None = None

    async def resolved(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a name. Raises: OSError; TimeoutError: no server answered."""
        if self._resolver is None:
            self._resolver = aiodns.DNSResolver(
                self._servers, timeout=NAME_SECONDS, tries=NAME_TRIES
            )
        try:
            found = await self._resolver.getaddrinfo(host, port=port, type=socket.SOCK_STREAM)
        except aiodns.error.DNSError as error:
            if error.args[0] == aiodns.error.ARES_ETIMEOUT:
                raise TimeoutError(str(error)) from None
            raise OSError(str(error)) from None
        return [node.addr[0].decode() for node in found.nodes]

    async def close(self) -> None:
        """Cancel the pending queries."""
        if self._resolver is not None:
            await self._resolver.close()


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, rules: Rules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = [ipaddress.ip_address(one) for one in await self._resolve(host, port)]
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except (OSError, UnicodeError):
            raise NameNotResolved from None
        if not found:
            raise NameNotResolved
        # One address that is not allowed refuses the name: the other addresses of such an answer
        # cannot be trusted either.
        if not all(addresses.is_allowed(one, self._rules) for one in found):
            raise AddressNotAllowed
        return await self._connect_to_one(found, port, timeout, local_address, socket_options)

    async def _connect_to_one(
        self,
        found: Sequence[Address],
        port: int,
        seconds: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        for one in found[:-1]:
            try:
                return await self._network.connect_tcp(
                    str(one), port, SECONDS / 4, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(
            str(found[-1]), port, seconds, local_address, socket_options
        )


class Outgoing:
    """Sends events. resolve: resolves names instead of DNS.

    trusted: the TLS context that verifies receivers.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        resolve: Resolve | None = None,
        trusted: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._rules = rules
        self._seconds = seconds
        self._names = Names()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted or ssl.create_default_context(),
            max_connections=CONNECTIONS_MAX,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_Guarded(rules, resolve or self._names.resolved),
        )

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send one body, and return the outcome of success or failure."""
        began = time.monotonic()
        status, answer, trouble = 0, b"", None
        try:
            async with asyncio.timeout(self._seconds):
                status, answer = await self._post(url, body, headers)
            if status >= _ERRORS or status < _OK:
                trouble = Trouble.STATUS_NOT_2XX
            elif status >= _REDIRECTS:
                trouble = Trouble.REDIRECTED
        except (TimeoutError, httpcore.TimeoutException):
            trouble = Trouble.TIMEOUT
        except (AddressNotAllowed, addresses.WebhookUrlNotAllowed):
            trouble = Trouble.ADDRESS_NOT_ALLOWED
        except NameNotResolved:
            trouble = Trouble.NAME_NOT_RESOLVED
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            trouble = Trouble.CONNECTION_FAILED
        return Outcome(
            url=url,
            milliseconds=int((time.monotonic() - began) * 1000),
            status=status,
            answer=answer.decode(errors="replace").replace("\0", "\ufffd"),
            trouble=trouble,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()
        await self._names.close()

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        target = addresses.target(url, self._rules)
        host = f"[{target.host}]" if ":" in target.host else target.host
        is_usual = target.port == (443 if target.scheme == "https" else 80)
        given: list[tuple[bytes | str, bytes | str]] = [
            ("Host", host if is_usual else f"{host}:{target.port}"),
            ("User-Agent", "Orchestrator-Webhooks/1"),
            ("Accept-Encoding", "identity"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *headers.items(),
        ]
        address = httpcore.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        )
        read = bytearray()
        async with self._pool.stream("POST", address, headers=given, content=body) as answer:
            async for piece in answer.aiter_stream():
                read += piece
                if len(read) >= ANSWER_BYTES:
                    break
            return answer.status, bytes(read[:ANSWER_BYTES])
