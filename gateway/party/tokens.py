"""Access tokens: who a JWT says the caller is, and whether it may be believed.

Issuer → key, algorithm and marketplace are settings. Nothing of a token's header decides anything
but which of the issuer's known keys is tried; other fields, and claims that nobody asked for, are
ignored as RFC 7515 §4 and RFC 7519 §4 say. What has to be understood (`crit`) is refused.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from gateway import body
from gateway.party import claims
from gateway.party.claims import TokenNotValid
from gateway.party.keysets import KeySet, open_key_set
from gateway.settings import Issuer
from kernel.errors import InvalidArgument

LEEWAY_SECONDS = 60
TOKEN_BYTES_MAX = 8 * 1024
KID_MAX = 255
# Beside who it is about and whom it is for, which the settings name.
REQUIRED = ("iss", "exp", "iat")
# A token that says to be of another kind is no access token. Without a slash `application/` is
# meant. Source: RFC 8725 §3.11, RFC 9068 §2.1, RFC 7515 §4.1.9.
_TYPES = frozenset({"jwt", "application/jwt", "at+jwt", "application/at+jwt"})
# What claims inside of claims may be nested: others choose what else they say.
DEPTH_MAX = 32
# Seconds since 1970 that no clock of ours will show; also keeps infinities out.
_INSTANT_MAX = 2**40
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whom a token stands for.

    issuer: who says so. marketplace: its name or UUID. expires_at: seconds since 1970.
    """

    issuer: Issuer
    marketplace: str
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
    header, said = _object(match[1]), _object(match[2])
    kind = header.get("typ", "JWT")
    if "crit" in header or not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenNotValid("The access token's header is not accepted")
    return header, said


def _object(part: str) -> Mapping[str, Any]:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        # Exactly: a number that nobody asked for may be larger than any of ours.
        value = body.parse(raw, is_exact=True, depth_max=DEPTH_MAX)
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
    """Check signature, issuer and times; returns the claims."""
    try:
        said: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[issuer.algorithm],
            issuer=issuer.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED), "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise TokenNotValid("The access token has expired") from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
        raise TokenNotValid("The access token is not valid") from None
    return said


def _bearer(issuer: Issuer, said: Mapping[str, Any]) -> Bearer:
    if not all(_is_instant(said[name]) for name in ("exp", "iat", "nbf") if name in said):
        raise TokenNotValid("The access token's times are not numbers")
    claims.require_audience(issuer, said)
    return Bearer(
        issuer=issuer,
        marketplace=claims.marketplace(issuer, said),
        subject=claims.subject(issuer, said),
        role=claims.role(issuer, said),
        expires_at=said["exp"] + LEEWAY_SECONDS,
    )


def _is_instant(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < _INSTANT_MAX  # type: ignore[operator] # a number by now
