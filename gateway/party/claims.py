"""The claims of a token, found by the names in an issuer's settings. Pure.

Providers name claims differently: a role is in `role`, in `realm_access.roles`, or in a claim whose
name is a URL. All other claims are ignored. Source: RFC 7519 §4.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from chassis.identity import ROLE_ADMIN, ROLE_USER
from gateway.settings import Issuer
from kernel.errors import Unauthenticated
from kernel.ids import hashed_id, is_hashed, parse_uuid

SUBJECT_MAX = 255
AUDIENCE = "aud"
Claims = Mapping[str, Any]


class TokenNotValid(Unauthenticated):
    """The access token is invalid."""

    reason = "INVALID_TOKEN"


def require_audience(issuer: Issuer, claims: Claims) -> None:
    """Check the audience of a token; `aud` too, if it is there and another claim is configured.

    Raises: TokenNotValid.
    """
    named = [_found(claims, issuer.audience_claim)]
    if AUDIENCE in claims:
        named.append(claims[AUDIENCE])
    if not all(_is_texts(value) and issuer.audiences & _texts(value) for value in named):
        raise TokenNotValid("The access token is not valid")


def subject(issuer: Issuer, claims: Claims) -> uuid.UUID:
    """Return the user's UUID: the subject itself, or a hash of issuer and subject.

    Hashed ids have their own UUID variant, and a subject of that variant is hashed again, so no
    issuer can name a hashed id.
    Raises: TokenNotValid: there is no subject.
    """
    said = _found(claims, issuer.subject_claim)
    if not isinstance(said, str) or not 0 < len(said) <= SUBJECT_MAX:
        raise TokenNotValid("The access token's subject is missing")
    known = parse_uuid(said)
    if known is not None and not is_hashed(known):
        return known
    return hashed_id("subject", issuer.issuer, said)


def role(issuer: Issuer, claims: Claims) -> str:
    """Return the role of a token: admin if it has the configured role, otherwise user."""
    is_admin = issuer.admin_role in _texts(_found(claims, issuer.role_claim))
    return ROLE_ADMIN if is_admin else ROLE_USER


def marketplace(issuer: Issuer, claims: Claims) -> str:
    """Return the name or UUID of a token's marketplace. Raises: TokenNotValid."""
    if issuer.marketplace_claim is None:
        assert issuer.marketplace is not None  # noqa: S101 - checked by the settings
        return issuer.marketplace
    named = _texts(_found(claims, issuer.marketplace_claim))
    known = {issuer.marketplaces[name] for name in named if name in issuer.marketplaces}
    if len(known) != 1:
        raise TokenNotValid("The access token names no marketplace")
    return known.pop()


def _found(claims: Claims, claim: str | list[str]) -> Any:
    """Return the value of a claim, or None."""
    if isinstance(claim, str):
        # A URL, or a name with a colon, has dots of its own.
        claim = [claim] if set(":/") & set(claim) else claim.split(".")
    value: Any = claims
    for name in claim:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_texts(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return all(isinstance(one, str) for one in listed)


def _texts(value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    return frozenset(one for one in listed if isinstance(one, str))
