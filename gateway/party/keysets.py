"""The keys of an issuer: one shared secret, or a JWK set in a file or at a URL.

The settings fix the source and the only algorithm. A token's `kid` only chooses among known keys.
If the settings have no source, the issuer's discovery document names the URL of the JWK set. The
document is fetched from below the issuer's URL, and the keys are used for that issuer only.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from chassis.telemetry import logger
from gateway import body
from gateway.settings import Issuer, is_safe_url
from kernel.errors import InvalidArgument, Unavailable

# The parameters that a key for an algorithm must have. Source: RFC 7518 §6, RFC 8037 §2.
_KINDS: Mapping[str, Mapping[str, str]] = {
    "RS256": {"kty": "RSA"},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
RSA_BITS_MIN = 2048
DEPTH_MAX = 32
FETCH_SECONDS = 5.0
# Source: OpenID Connect Discovery 1.0 §4.
WELL_KNOWN = "/.well-known/openid-configuration"
# A fetched set is fetched again after this time; for an unknown kid, after the shorter time.
FRESH_SECONDS = 300.0
AGAIN_SECONDS = 10.0
log = logger()


class KeySetNotUsableError(Exception):
    """The document is not a JWK set, or has no key for the issuer's algorithm."""


class KeySet(Protocol):
    """The keys of one issuer."""

    async def find(self, kid: str | None) -> Any | None:
        """Return the key that verifies a token with this kid; None: unknown.

        Raises: Unavailable.
        """
        ...


def open_key_set(issuer: Issuer) -> KeySet:
    """Return the keys of an issuer. A file is read at once.

    Raises: KeySetNotUsableError; OSError: the file cannot be read.
    """
    if issuer.key is not None:
        return Shared(issuer.key.get_secret_value())
    if issuer.jwks_file is not None:
        raw = issuer.jwks_file.read_bytes()
        return Fixed(read_keys(raw, algorithm=issuer.algorithm))
    return Fetched(issuer.issuer, url=issuer.jwks_url, algorithm=issuer.algorithm)


def read_keys(raw: bytes, *, algorithm: str) -> dict[str | None, Any]:
    """Parse a JWK set; returns kid → key for the keys that verify signatures of the algorithm.

    Other entries are ignored. Source: RFC 7517 §5.
    Raises: KeySetNotUsableError: it is not a JWK set, has no such key, or has a kid twice.
    """
    try:
        document = body.parse(raw, is_exact=True, depth_max=DEPTH_MAX)
        listed = [(one, _key(one, algorithm)) for one in document["keys"]]
    except (InvalidArgument, KeyError, TypeError) as error:
        raise KeySetNotUsableError(f"not a JWK set: {type(error).__name__}") from None
    found = [(one.get("kid"), key) for one, key in listed if key is not None]
    usable = dict(found)
    if not usable or len(usable) != len(found):
        raise KeySetNotUsableError(f"the JWK set has no key, or one kid twice, for {algorithm}")
    return usable


class Shared:
    """One secret that is shared with the issuer."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    async def find(self, kid: str | None) -> Any | None:
        """Return the secret, for any kid."""
        del kid
        return self._secret


class Fixed:
    """Keys that do not change while the process runs.

    If there is only one key, it is used for tokens without a kid.
    """

    def __init__(self, keys: Mapping[str | None, Any]) -> None:
        self._keys = keys

    async def find(self, kid: str | None) -> Any | None:
        """Return the key with this kid; None: there is none."""
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)


class Fetched:
    """Keys at a URL, fetched when needed. While the URL is unavailable, known keys stay valid.

    url: of the JWK set; None: the issuer's discovery document names the URL.
    """

    def __init__(self, issuer: str, *, url: str | None, algorithm: str) -> None:
        self._issuer = issuer
        self._url = url
        self._algorithm = algorithm
        self._keys: Fixed | None = None
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None) -> Any | None:
        """Return the key with this kid. Raises: Unavailable: no keys could be fetched yet."""
        found = None if self._keys is None else await self._keys.find(kid)
        wait = FRESH_SECONDS if found is not None else AGAIN_SECONDS
        if self._is_older_than(wait):
            async with self._fetching:
                if self._is_older_than(wait):
                    await self._fetch()
            found = None if self._keys is None else await self._keys.find(kid)
        if self._keys is None:
            raise Unavailable("The issuer's keys are unavailable")
        return found

    def _is_older_than(self, seconds: float) -> bool:
        return time.monotonic() - self._tried_at > seconds

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                httpx.AsyncClient(follow_redirects=False, trust_env=False) as client,
            ):
                url = self._url or await _discovered(client, self._issuer)
                raw = await _fetched(client, url)
            self._keys = Fixed(read_keys(raw, algorithm=self._algorithm))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, KeySetNotUsableError) as error:
            why = f"{type(error).__name__}: {error}"[:200]
            log.warning("tokens.keys_not_fetched", issuer=self._issuer, error=why)


async def _discovered(client: httpx.AsyncClient, issuer: str) -> str:
    """Return the URL of the JWK set in an issuer's discovery document.

    Raises: KeySetNotUsableError: the document names another issuer, or no safe URL;
        httpx.HTTPError; httpx.InvalidURL.
    """
    raw = await _fetched(client, issuer.rstrip("/") + WELL_KNOWN)
    try:
        document = body.parse(raw, depth_max=DEPTH_MAX)
        url = document["jwks_uri"]
        is_own = document["issuer"] == issuer
    except (InvalidArgument, KeyError, TypeError):
        raise KeySetNotUsableError("not an OpenID configuration") from None
    # An https issuer may not name a plain http URL, not even on this machine.
    is_safe = isinstance(url, str) and is_safe_url(url)
    if not is_own or not is_safe or (issuer.startswith("https:") and url.startswith("http:")):
        raise KeySetNotUsableError(
            "the OpenID configuration is not the issuer's, or names no https URL"
        )
    return str(url)


async def _fetched(client: httpx.AsyncClient, url: str) -> bytes:
    """Read an answer up to the size limit. A longer answer is cut and fails as JSON later."""
    raw = b""
    # Compression is refused: a compressed answer could expand to any size.
    async with client.stream("GET", url, headers={"accept-encoding": "identity"}) as answer:
        answer.raise_for_status()
        if answer.status_code != httpx.codes.OK:
            raise KeySetNotUsableError(f"the answer is {answer.status_code}")
        async for chunk in answer.aiter_raw():
            raw += chunk
            if len(raw) > body.BYTES_MAX:
                break
    return raw[: body.BYTES_MAX]


def _key(one: Any, algorithm: str) -> Any | None:
    """Return the key of a JWK; None: it has another use, is too weak, or is not a key."""
    try:
        is_usable = (
            isinstance(one, dict)
            and all(one.get(name) == value for name, value in _KINDS[algorithm].items())
            and one.get("use", "sig") == "sig"
            and one.get("alg", algorithm) == algorithm
            and "verify" in one.get("key_ops", ["verify"])
            and "d" not in one
            and isinstance(one.get("kid", ""), str)
        )
        key = jwt.PyJWK(one, algorithm=algorithm).key if is_usable else None
    except (jwt.PyJWTError, TypeError, ValueError):
        return None
    is_weak = isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS_MIN
    return None if is_weak else key
