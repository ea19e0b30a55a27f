"""Access tokens: verifies a JWT and reads the caller from it.

The settings give an issuer's keys, algorithm and marketplace. A token's header only chooses among
the issuer's known keys. Other header fields and unknown claims are ignored, as RFC 7515 §4 and RFC
7519 §4 say. A header with `crit` is refused.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from chassis.identity import ROLE_SUPPORT
from gateway import body
from gateway.party import claims
from gateway.party.claims import TokenNotValid
from gateway.party.keysets import open_key_set
from gateway.settings import Issuer
from kernel.errors import InvalidArgument

LEEWAY_SECONDS = 60
TOKEN_BYTES_MAX = 8 * 1024
KID_MAX = 255
# Required besides the subject and the audience, whose claims are named in the settings.
REQUIRED = ("iss", "exp", "iat")
# A token with another `typ` is not an access token. If it has no slash, `application/` is implied.
# Source: RFC 8725 §3.11, RFC 9068 §2.1, RFC 7515 §4.1.9.
_TYPES = frozenset({"jwt", "application/jwt", "at+jwt", "application/at+jwt"})
# The greatest depth of nested claims. Issuers add claims of their own.
DEPTH_MAX = 32
# The latest accepted instant, in seconds since 1970. It also excludes infinities.
_INSTANT_MAX = 2**40
_DOTS = 2
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """The caller of a verified token.

    issuer: of the token. marketplace: its name or UUID. expires_at: seconds since 1970. support_id,
    name: set only for a person of support.
    """

    issuer: Issuer
    marketplace: str
    subject: uuid.UUID
    role: str
    expires_at: float
    support_id: str = ""
    name: str = ""


class Tokens:
    """Verifies access tokens of the configured issuers."""

    def __init__(self, issuers: Collection[Issuer]) -> None:
        """Load every issuer's keys. Raises: KeySetNotUsableError; OSError."""
        self._issuers = {one.issuer: (one, open_key_set(one)) for one in issuers}

    def seems_support(self, token: str) -> bool:
        """Return whether a token claims to be of support. Nothing is verified; see `verify`."""
        # Called for every request with an API key; parsing such a key and refusing it would cost
        # more.
        if token.count(".") != _DOTS:
            return False
        try:
            _, said = _parts(token)
        except TokenNotValid:
            return False
        name = said.get("iss")
        found = self._issuers.get(name) if isinstance(name, str) else None
        return found is not None and claims.role(found[0], said) == ROLE_SUPPORT

    async def verify(self, token: str) -> Bearer:
        """Verify a token and return its caller.

        Raises: TokenNotValid; Unavailable: the issuer's keys are unavailable.
        """
        header, said = _parts(token)
        name = said.get("iss")
        found = self._issuers.get(name) if isinstance(name, str) else None
        if found is None:
            raise TokenNotValid("The access token's issuer is unknown")
        issuer, keys = found
        kid = header.get("kid")
        if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= KID_MAX):
            raise TokenNotValid("The access token's header is not accepted")
        key = await keys.find(kid)
        if key is None:
            raise TokenNotValid("The access token is signed with an unknown key")

        said = _verified(token, key, issuer)
        for instant in ("exp", "iat", "nbf"):
            value = said.get(instant, 0)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TokenNotValid("The access token's times are not numbers")
            if not 0 <= value < _INSTANT_MAX:
                raise TokenNotValid("The access token's times are not numbers")
        claims.require_audience(issuer, said)
        role = claims.role(issuer, said)
        is_support = role == ROLE_SUPPORT
        return Bearer(
            issuer=issuer,
            marketplace=claims.marketplace(issuer, said),
            subject=claims.subject(issuer, said),
            role=role,
            expires_at=said["exp"] + LEEWAY_SECONDS,
            support_id=claims.support_id(issuer, said) if is_support else "",
            name=claims.name(issuer, said) if is_support else "",
        )


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Parse header and claims, before the signature is verified."""
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
        # Parsed exactly: an unknown claim may have a number that our documents would refuse.
        value = body.parse(raw, is_exact=True, depth_max=DEPTH_MAX)
    except (binascii.Error, InvalidArgument):
        raise TokenNotValid("The access token is not a JWT") from None
    if not isinstance(value, dict):
        raise TokenNotValid("The access token is not a JWT")
    return value


def _verified(token: str, key: Any, issuer: Issuer) -> Mapping[str, Any]:
    """Verify signature, issuer and times; returns the claims."""
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
