"""Access tokens: who a JWT says the caller is, and whether it may be believed.

Issuer → key, algorithm and marketplace are settings. Nothing of a token's header decides anything
but which of the issuer's known keys is tried. Whatever is not plainly right is refused.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from chassis.identity import ROLE_ADMIN, ROLE_USER
from gateway import body
from gateway.party.keysets import KeySet, open_key_set
from gateway.settings import Issuer
from kernel.errors import InvalidArgument, Unauthenticated
from kernel.ids import parse_uuid

LEEWAY_SECONDS = 60
TOKEN_BYTES_MAX = 8 * 1024
KID_MAX = 255
REQUIRED = ("iss", "sub", "aud", "exp", "iat")
_CLAIMS = frozenset({*REQUIRED, "nbf", "jti", "role"})
_HEADER = frozenset({"alg", "typ", "kid"})
# A tuple: what a header says may be an object or a list, which no set can be asked about.
_TYPES = ("JWT", "at+jwt")
# Seconds since 1970 that no clock of ours will show; also keeps infinities out.
_INSTANT_MAX = 2**40
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


class TokenNotValid(Unauthenticated):
    """The access token is not one that may be believed."""

    reason = "INVALID_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whom a token stands for. issuer: who says so; expires_at: seconds since 1970."""

    issuer: Issuer
    subject: uuid.UUID
    role: str
    expires_at: float


class Tokens:
    """Checks access tokens of the issuers that are configured."""

    def __init__(self, issuers: Collection[Issuer]) -> None:
        """Open every issuer's keys. Raises: KeySetNotUsableError; OSError."""
        self._issuers = {one.issuer: (one, open_key_set(one)) for one in issuers}

    async def verify(self, token: str) -> Bearer:
        """Return whom a token stands for.

        Raises: TokenNotValid; Unavailable: the issuer's keys cannot be had.
        """
        header, said = _parts(token)
        issuer, keys = self._issuer(said)
        key = await keys.find(_kid(header))
        if key is None:
            raise TokenNotValid("The access token is signed with an unknown key")
        return _bearer(issuer, _verified(token, key, issuer))

    def _issuer(self, said: Mapping[str, Any]) -> tuple[Issuer, KeySet]:
        name = said.get("iss")
        found = self._issuers.get(name) if isinstance(name, str) else None
        if found is None:
            raise TokenNotValid("The access token is of an unknown issuer")
        return found


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Read header and claims, before anything is believed."""
    match = _TOKEN.fullmatch(token) if len(token) <= TOKEN_BYTES_MAX else None
    if match is None:
        raise TokenNotValid("The access token is not a JWT")
    header, claims = _object(match[1]), _object(match[2])
    if not header.keys() <= _HEADER or header.get("typ", "JWT") not in _TYPES:
        raise TokenNotValid("The access token's header is not accepted")
    return header, claims


def _object(part: str) -> Mapping[str, Any]:
    try:
        value = body.parse(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, InvalidArgument):
        raise TokenNotValid("The access token is not a JWT") from None
    if not isinstance(value, dict):
        raise TokenNotValid("The access token is not a JWT")
    return value


def _kid(header: Mapping[str, Any]) -> str | None:
    kid = header.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= KID_MAX):
        raise TokenNotValid("The access token's header is not accepted")
    return kid


def _verified(token: str, key: Any, issuer: Issuer) -> Mapping[str, Any]:
    """Check signature, issuer, audience and times; returns the claims."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[issuer.algorithm],
            issuer=issuer.issuer,
            audience=issuer.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED)},
        )
    except jwt.ExpiredSignatureError:
        raise TokenNotValid("The access token has expired") from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        raise TokenNotValid("The access token is not valid") from None
    return claims


def _bearer(issuer: Issuer, claims: Mapping[str, Any]) -> Bearer:
    if not claims.keys() <= _CLAIMS:
        raise TokenNotValid("The access token has claims that are not known here")
    if not all(_is_instant(claims[name]) for name in ("exp", "iat", "nbf") if name in claims):
        raise TokenNotValid("The access token's times are not numbers")
    subject = parse_uuid(claims["sub"]) if isinstance(claims["sub"], str) else None
    if subject is None:
        raise TokenNotValid("The access token's subject is not a UUID")
    if claims.get("role", ROLE_ADMIN) != ROLE_ADMIN:
        raise TokenNotValid("The access token's role is not known here")
    role = ROLE_ADMIN if "role" in claims else ROLE_USER
    expires_at = claims["exp"] + LEEWAY_SECONDS
    return Bearer(issuer=issuer, subject=subject, role=role, expires_at=expires_at)


def _is_instant(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < _INSTANT_MAX  # type: ignore[operator] # a number by now
