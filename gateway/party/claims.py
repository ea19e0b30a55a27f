"""What an issuer's claims say of their bearer, by the names that the settings give them. Pure.

Providers agree on little: a role is `role`, or in `realm_access.roles`, or in a claim that is named
by a URL. Whatever else a token says is ignored. Source: RFC 7519 §4.
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
    """Check that a token is meant for us; `aud` too, where it is there and another claim decides.

    Raises: TokenNotValid.
    """
    named = [_found(claims, issuer.audience_claim)]
    if AUDIENCE in claims:
        named.append(claims[AUDIENCE])
    if not all(_is_texts(value) and issuer.audiences & _texts(value) for value in named):
        raise TokenNotValid("The access token is not valid")


def subject(issuer: Issuer, claims: Claims) -> uuid.UUID:
    """Return the user's UUID: what the issuer says, or one for the issuer and what it says.

    No issuer can say an id that is made here: those have a variant of their own.
    Raises: TokenNotValid: it says nothing.
    """
    said = _found(claims, issuer.subject_claim)
    if not isinstance(said, str) or not 0 < len(said) <= SUBJECT_MAX:
        raise TokenNotValid("The access token's subject is missing")
    known = parse_uuid(said)
    if known is not None and not is_hashed(known):
        return known
    return hashed_id("subject", issuer.issuer, said)


def role(issuer: Issuer, claims: Claims) -> str:
    """Return what a bearer may be: an admin by the one role that says so, otherwise a person."""
    is_admin = issuer.admin_role in _texts(_found(claims, issuer.role_claim))
    return ROLE_ADMIN if is_admin else ROLE_USER


def marketplace(issuer: Issuer, claims: Claims) -> str:
    """Return the name or UUID of the marketplace that a token is about. Raises: TokenNotValid."""
    if issuer.marketplace_claim is None:
        assert issuer.marketplace is not None  # noqa: S101 - the settings have looked
        return issuer.marketplace
    named = _texts(_found(claims, issuer.marketplace_claim))
    known = {issuer.marketplaces[name] for name in named if name in issuer.marketplaces}
    if len(known) != 1:
        raise TokenNotValid("The access token names no marketplace")
    return known.pop()


def _found(claims: Claims, claim: str | list[str]) -> Any:
    """Return the value of a claim; None: it is not there."""
    value: Any = claims
    for name in _path(claim):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _path(claim: str | list[str]) -> list[str]:
    if isinstance(claim, list):
        return claim
    return [claim] if set(":/") & set(claim) else claim.split(".")


def _is_texts(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return all(isinstance(one, str) for one in listed)


def _texts(value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    return frozenset(one for one in listed if isinstance(one, str))
