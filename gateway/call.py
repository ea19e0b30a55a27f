"""One HTTP request, parsed strictly, and the calls to services that serve it."""

import asyncio
import functools
import hashlib
import ipaddress
import re
import uuid
from collections.abc import (
    Awaitable,
    Callable,
    Mapping,
    MutableMapping,
)
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import grpc
from google.protobuf.message import Message

from chassis.migrations.expected import Schema
from chassis.watch import Watch
from gateway import body
from gateway.audit import Lines
from gateway.auth import Credential, KeyAuthenticator
from gateway.backends import READ_SECONDS, Backends, Reply
from gateway.errors import (
    BodyTooLarge,
    DeliveryNotFound,
    DisputeNotFound,
    OfferNotFound,
    OrderNotFound,
    RequestTimeout,
    UnsupportedMediaType,
    WebhookNotFound,
    WithdrawalNotFound,
)
from gateway.events import Feed
from gateway.limits import Place, RateLimiter, StreamPlaces
from gateway.parties import Parties
from gateway.previews import Previewed, preview_of
from gateway.request_log import RequestLog
from kernel.errors import InvalidArgument
from kernel.ids import from_public, new_id

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 10.0
WAIT_SECONDS_MAX = 60
# The extra time for the answer after the wait for the operation is over.
SLACK_SECONDS = 5.0
# The length of the IPv6 prefix that belongs to one client.
NETWORK_BITS = 64
# Headers that may occur only once: with two values, programs could disagree on which one counts.
_ONCE = frozenset(
    {b"authorization", b"x-api-key", b"idempotency-key", b"content-type", b"last-event-id"}
)
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
# Parameters such as charset are ignored. Source: RFC 8259 §11.
_JSON = re.compile(r"\s*application/json\s*(;.*)?", re.IGNORECASE)
_WAIT = re.compile(r"wait\s*=\s*(\d{1,9})", re.IGNORECASE)


class HeaderNotValid(InvalidArgument):
    """A header is sent twice, or its value is not valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strangers:
    """Limits the requests without a valid credential from each client address."""

    limiter: RateLimiter
    proxies: int

    def count(self, scope: Scope) -> None:
        """Count one request. Raises: TooManyRequests."""
        self.limiter.take(client_address(scope, proxies=self.proxies))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What handlers use: services, keys, streams and limits.

    streams, exports: limits of open event streams, and of files that are being generated.
    """

    backends: Backends
    keys: KeyAuthenticator
    feed: Feed
    streams: StreamPlaces
    exports: StreamPlaces
    parties: Parties
    lines: Lines
    requests: RequestLog
    strangers: Strangers
    watch: Watch
    schema: Schema


@dataclass(slots=True, kw_only=True)
class Call:
    """A request that is being served.

    path: without a trailing slash. params: the values of the route's placeholders. body: the bytes
    as received. limit, remaining: the credential's requests per minute and how many are left, once
    the request is counted. place: the stream's place within the limit of open streams. is_preview:
    nothing may be changed. address: of the client.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query_string: bytes
    request_id: str
    parts: Parts
    address: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    credential: Credential | None = None
    wait_default: int = 30
    is_preview: bool = False
    limit: int | None = None
    remaining: int = 0
    place: Place | None = None
    reply: Reply = field(default_factory=Reply)

    @property
    def backends(self) -> Backends:
        """The stubs of the services."""
        return self.parts.backends

    @property
    def caller(self) -> Credential:
        """The credential, on a route that requires a credential."""
        if self.credential is None:
            raise RuntimeError("this route admits callers without a credential")
        return self.credential

    async def read(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        timeout_seconds: float = READ_SECONDS,
    ) -> ResponseT:
        """Call a service that changes nothing. Raises: as `Backends.call`."""
        return await self.backends.call(method, request, timeout_seconds=timeout_seconds)

    async def change(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
    ) -> ResponseT:
        """Make a change and wait for it as long as the client wants to wait.

        Raises: as `Backends.call`; Previewed: the client wants a preview, so nothing was changed.
        """
        if self.is_preview:
            asked = preview_of(request)
            raise Previewed(await self.read(self.backends.orders.GetPreview, asked))
        seconds = self.wait_seconds() + SLACK_SECONDS
        return await self.backends.change(
            method, request, timeout_seconds=seconds, reply=self.reply
        )

    def written(self) -> dict[str, Any]:
        """Return the request fields that make a change repeatable."""
        return {"request_id": self.write_key(), "fingerprint": self.fingerprint()}

    def awaited(self) -> dict[str, Any]:
        """Return the request fields of a change that the client may wait for."""
        return {**self.written(), "wait_seconds": self.wait_seconds()}

    def write_key(self) -> str:
        """Return the request id of a change: the client's Idempotency-Key, or a new id.

        Raises: HeaderNotValid: the key is not 1 to 255 printable ASCII characters.
        """
        key = self.headers.get("idempotency-key")
        if key is None:
            return f"r:{uuid.uuid4()}"
        if _KEY.fullmatch(key) is None:
            raise HeaderNotValid(
                "Invalid header: Idempotency-Key",
                fields=[("Idempotency-Key", "must be 1 to 255 printable ASCII characters")],
            )
        return f"k:{key}"

    def fingerprint(self) -> bytes:
        """Return a hash of method, path, query and body: it tells requests with one key apart."""
        query = urlencode(sorted(parse_qsl(self.query_string.decode("latin-1"))))
        head = f"{self.method}\n{self.path}\n{query}\n".encode()
        return hashlib.sha256(head + self.body).digest()

    def wait_seconds(self) -> int:
        """Return the seconds to wait for an operation, at most 60; 0: do not wait.

        From `Prefer: wait=N` or `Prefer: respond-async` (RFC 7240).
        """
        prefer = self.headers.get("prefer")
        if prefer is None:
            return self.wait_default
        wanted = [part.strip() for part in prefer.split(",")]
        for part in wanted:
            if (match := _WAIT.fullmatch(part)) is not None:
                return min(int(match[1]), WAIT_SECONDS_MAX)
        if any(part.lower() == "respond-async" for part in wanted):
            return 0
        return self.wait_default


def order_id(text: str) -> str:
    """Parse an order's id in either spelling. Raises: OrderNotFound."""
    value = from_public("ord", text)
    if value is None:
        raise OrderNotFound("Order not found")
    return str(value)


def offer_id(text: str) -> str:
    """Parse an offer's id in either spelling. Raises: OfferNotFound."""
    value = from_public("off", text)
    if value is None:
        raise OfferNotFound("The order has no such offer")
    return str(value)


def dispute_id(text: str) -> str:
    """Parse a dispute's id in either spelling. Raises: DisputeNotFound."""
    value = from_public("dsp", text)
    if value is None:
        raise DisputeNotFound("Dispute not found")
    return str(value)


def withdrawal_id(text: str) -> str:
    """Parse a withdrawal's id in either spelling. Raises: WithdrawalNotFound."""
    value = from_public("wd", text)
    if value is None:
        raise WithdrawalNotFound("Withdrawal not found")
    return str(value)


def webhook_id(text: str) -> str:
    """Parse a webhook's id in either spelling. Raises: WebhookNotFound."""
    value = from_public("wh", text)
    if value is None:
        raise WebhookNotFound("Webhook not found")
    return str(value)


def delivery_id(text: str) -> str:
    """Parse a delivery's id in either spelling. Raises: DeliveryNotFound."""
    value = from_public("whd", text)
    if value is None:
        raise DeliveryNotFound("Delivery not found")
    return str(value)


def read_headers(scope: Scope) -> dict[str, str]:
    """Return the headers by lower-case name. The values of a repeated header are joined by commas.

    Raises: HeaderNotValid: a header that may occur only once occurs twice.
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name in headers:
            if raw_name in _ONCE:
                title = name.title()
                raise HeaderNotValid(
                    f"The header {title} is sent twice", fields=[(title, "is sent twice")]
                )
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def request_id(scope: Scope) -> str:
    """Return the client's X-Request-Id if exactly one valid value was sent; otherwise a new id.

    A request whose headers are not valid has a request id too.
    """
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    text = given[0].decode("latin-1") if len(given) == 1 else ""
    return text if _REQUEST_ID.fullmatch(text) else str(new_id())


def client_address(scope: Scope, *, proxies: int) -> str:
    """Return the client's address, as the first of the trusted proxies saw it.

    For IPv6 the network is returned, because a client can use all addresses of its network.
    """
    known = scope.get("client")
    address = str(known[0]) if known else ""
    if proxies:
        given = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        hops = [hop.strip() for hop in b",".join(given).decode("latin-1").split(",") if hop.strip()]
        address = hops[-proxies] if len(hops) >= proxies else address
    return _owner(address)


@functools.lru_cache(maxsize=4096)
def _owner(address: str) -> str:
    """Return the network of an IPv6 address. Other addresses are returned unchanged."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        # A socket for both IPv4 and IPv6 reports an IPv4 client in this form.
        found = found.ipv4_mapped or found
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.ip_network((found, NETWORK_BITS), strict=False))


async def read_body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """Read the whole body; empty if there is none.

    Raises: BodyTooLarge; UnsupportedMediaType: the body is declared as another type than JSON, or
        is compressed; RequestTimeout: the body did not arrive in time, or is incomplete.
    """
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > body.BYTES_MAX:
        raise _too_large()  # before a client that sent Expect: 100-continue sends the body
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while size <= body.BYTES_MAX:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _late("was incomplete")
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise _late("did not arrive in time") from None
    raw = b"".join(chunks)
    if len(raw) > body.BYTES_MAX:
        raise _too_large()
    # A body without a content type is taken as JSON.
    if raw and _JSON.fullmatch(headers.get("content-type", "application/json")) is None:
        raise UnsupportedMediaType(
            "A body must be sent as Content-Type: application/json",
            fields=[("Content-Type", "must be application/json")],
        )
    codings = {part.strip().lower() for part in headers.get("content-encoding", "").split(",")}
    if raw and not codings <= {"", "identity"}:
        raise UnsupportedMediaType(
            "A body must be sent without a Content-Encoding",
            fields=[("Content-Encoding", "must be identity")],
        )
    return raw


def _too_large() -> BodyTooLarge:
    text = "is larger than 64 KiB"
    return BodyTooLarge(f"The request body {text}", fields=[("body", text)])


def _late(text: str) -> RequestTimeout:
    return RequestTimeout(f"The request body {text}", fields=[("body", text)])
