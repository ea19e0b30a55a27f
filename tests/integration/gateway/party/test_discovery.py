"""Keys found by OpenID discovery: which documents are used, and their size limit."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import ValidationError

from gateway.party import keysets
from gateway.party.keysets import WELL_KNOWN, open_key_set
from gateway.settings import GatewaySettings, Issuer
from kernel.errors import Unavailable
from tests.identities import tls_settings

KEY = ed25519.Ed25519PrivateKey.generate()
JWKS = "/certs"


@dataclass(slots=True)
class Provider:
    """What a provider answers by path: status, body, headers; and what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    def says(self, path: str, body: Any, *, status: int = 200, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, raw, named)

    def document(self, **changes: Any) -> dict[str, Any]:
        known = {"issuer": self.url, "jwks_uri": self.url + JWKS, "response_types_supported": []}
        return known | changes


@pytest.fixture
def provider() -> Iterator[Provider]:
    """A provider on this machine, with one key."""
    made = Provider()
    made.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            made.hold.wait(10)
            status, body, headers = made.answers.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    made.says(WELL_KNOWN, made.document())
    made.says(JWKS, {"keys": [public(KEY, "k")]})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


def public(key: ed25519.Ed25519PrivateKey, kid: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    return found | {"kid": kid}


def discovered(url: str, **more: Any) -> Issuer:
    return Issuer(issuer=url, marketplace="demo", audience="orders", algorithm="EdDSA", **more)


async def test_keys_are_found_by_discovery(provider: Provider) -> None:
    keys = open_key_set(discovered(provider.url))

    assert await keys.find("k") is not None
    assert await keys.find("k") is not None
    assert provider.asked == [WELL_KNOWN, JWKS]


@pytest.mark.parametrize("ending", ["/", "/realms/market", "/realms/market/"])
async def test_the_document_is_below_the_issuers_path(provider: Provider, ending: str) -> None:
    own = provider.url + ending
    place = ending.rstrip("/") + WELL_KNOWN
    provider.says(place, provider.document(issuer=own))

    assert await open_key_set(discovered(own)).find("k") is not None
    assert provider.asked == [place, JWKS]


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://another.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": 7},
        {"jwks_uri": "http://another.example/keys"},
        {"jwks_uri": "http://127.0.0.1.evil.example/keys"},
        {"jwks_uri": "http://0.0.0.0:{port}/certs"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://"},
        {"jwks_uri": "https://[/"},
        {"jwks_uri": ""},
    ],
    ids=str,
)
async def test_a_foreign_or_unsafe_discovery_document_is_not_used(
    provider: Provider, changes: dict[str, Any]
) -> None:
    # An address that leads to the provider, and is not spelled as this machine's own.
    port = provider.url.rpartition(":")[2]
    said = {name: _with_port(value, port) for name, value in changes.items()}
    provider.says(WELL_KNOWN, provider.document(**said))

    with pytest.raises(Unavailable):
        await open_key_set(discovered(provider.url)).find("k")
    assert provider.asked == [WELL_KNOWN]


def _with_port(value: Any, port: str) -> Any:
    return value.replace("{port}", port) if isinstance(value, str) else value


@pytest.mark.parametrize("place", ["http://127.0.0.1:1/keys", "http://localhost/keys"])
async def test_an_https_issuer_cannot_name_a_plain_http_url(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    issuer, asked = "https://id.example", list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        document = json.dumps({"issuer": issuer, "jwks_uri": place}).encode()
        return httpx.Response(200, stream=httpx.ByteStream(document))

    real = httpx.AsyncClient
    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(httpx, "AsyncClient", lambda **how: real(transport=transport, **how))

    with pytest.raises(Unavailable):
        await open_key_set(discovered(issuer)).find("k")
    assert asked == [issuer + WELL_KNOWN]


def padded(document: dict[str, Any]) -> bytes:
    return json.dumps(document | {"more": "x" * 70_000}).encode()


WRONG: dict[str, Callable[[Provider, str], None]] = {
    "no JSON": lambda p, path: p.says(path, b"<html>"),
    "a list": lambda p, path: p.says(path, []),
    "huge": lambda p, path: p.says(path, padded({"keys": [public(KEY, "k")], **p.document()})),
    "away": lambda p, path: p.says(path, p.document(), status=503),
    "moved": lambda p, path: p.says(path, b"", status=302, location=p.url + "/elsewhere"),
    "partial": lambda p, path: p.says(path, p.document(), status=206),
    "packed": lambda p, path: p.says(path, p.document(), content_encoding="gzip"),
}


@pytest.mark.parametrize("path", [WELL_KNOWN, JWKS])
@pytest.mark.parametrize("wrong", WRONG)
async def test_an_answer_that_is_not_a_key_set_is_not_used(
    provider: Provider, wrong: str, path: str
) -> None:
    WRONG[wrong](provider, path)

    if (wrong, path) == ("packed", WELL_KNOWN):
        # Read as it is sent, whatever it calls itself.
        assert await open_key_set(discovered(provider.url)).find("k") is not None
    else:
        with pytest.raises(Unavailable):
            await open_key_set(discovered(provider.url)).find("k")
    assert "/elsewhere" not in provider.asked


async def test_a_silent_provider_times_out(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keysets, "FETCH_SECONDS", 0.2)
    provider.hold.clear()

    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await open_key_set(discovered(provider.url)).find("k")


async def test_rotated_keys_are_found_and_survive_an_outage(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keysets, "AGAIN_SECONDS", 0)
    monkeypatch.setattr(keysets, "FRESH_SECONDS", 0)
    keys = open_key_set(discovered(provider.url))
    assert await keys.find("k") is not None

    provider.says("/new", {"keys": [public(ed25519.Ed25519PrivateKey.generate(), "new")]})
    provider.says(WELL_KNOWN, provider.document(jwks_uri=provider.url + "/new"))
    assert await keys.find("new") is not None
    assert await keys.find("k") is None

    provider.answers.clear()
    assert await keys.find("new") is not None
    assert await keys.find("k") is None


@pytest.mark.parametrize(
    "issuer",
    [
        "market",
        "http://login.example",
        "http://127.0.0.1.evil.example",
        "https://login.example/?tenant=a",
        "https://login.example/#a",
        "ftp://login.example",
    ],
)
def test_an_issuer_without_keys_must_be_a_safe_url(issuer: str) -> None:
    with pytest.raises(ValidationError):
        discovered(issuer)


def test_in_production_keys_are_found_over_https_alone(settings: GatewaySettings) -> None:
    nats = {"nats_url": "tls://a:b@127.0.0.1:4222"}
    tls = {name.lower(): path for name, path in tls_settings("gateway").items()}
    known = settings.model_dump() | tls | nats | {"env": "prod"}
    safe, local = discovered("https://login.example"), discovered("http://127.0.0.1:9999")

    assert GatewaySettings(**known | {"jwt_issuers": [safe]}).jwt_issuers == [safe]
    with pytest.raises(ValidationError, match="https"):
        GatewaySettings(**known | {"jwt_issuers": [local]})
    assert GatewaySettings(**known | {"jwt_issuers": [local], "env": "dev"}).jwt_issuers == [local]


@pytest.mark.parametrize(
    "changes",
    [
        {"marketplace": None},
        {"marketplace_claim": "tid"},
        {"marketplace": None, "marketplace_claim": "tid"},
        {"marketplace": None, "marketplaces": {"a": "market"}},
        {"marketplace": None, "marketplace_claim": "tid", "marketplaces": {"a": "No Name"}},
        {"audience": []},
        {"audience": ""},
        {"audience_claim": ""},
        {"role_claim": []},
        {"role_claim": ["a"] * 21},
        {"admin_role": ""},
        {"role": "admin"},
    ],
    ids=str,
)
def test_an_issuers_settings_that_contradict_themselves_are_refused(
    changes: dict[str, Any],
) -> None:
    known = {
        "issuer": "https://login.example",
        "marketplace": "market",
        "audience": "orders",
        "algorithm": "RS256",
    }
    assert Issuer.model_validate(known)

    with pytest.raises(ValidationError):
        Issuer.model_validate({k: v for k, v in (known | changes).items() if v is not None})
