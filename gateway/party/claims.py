"""Reads the claims of a token, by the names in an issuer's settings. Pure.

Providers use different claims: a role may be in `role`, in `realm_access.roles`, or in a claim
whose name is a URL. Claims that the settings do not name are ignored. Source: RFC 7519 §4.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from chassis.identity import ROLE_ADMIN, ROLE_SUPPORT, ROLE_USER
from gateway.settings import Issuer
from kernel.errors import Unauthenticated
from kernel.ids import hashed_id, is_hashed, parse_uuid

SUBJECT_MAX = 255
# The id of a person of support is shown, and disputes are assigned to it. With its prefix it may be
# as long as an agent's id.
SUPPORT_SUBJECT_MAX = 200
NAME_MAX = 100
AUDIENCE = "aud"
Claims = Mapping[str, Any]


class TokenNotValid(Unauthenticated):
    """The access token is invalid."""

    reason = "INVALID_TOKEN"


def require_audience(issuer: Issuer, claims: Claims) -> None:
    """Check the audience of a token. If another claim than `aud` is configured, check `aud` too.

    `aud` may then be missing. Raises: TokenNotValid.
    """
    named = [_found(claims, issuer.audience_claim)]
    if AUDIENCE in claims:
        named.append(claims[AUDIENCE])
    if not all(_is_texts(value) and issuer.audiences & _texts(value) for value in named):
        raise TokenNotValid("The access token is not valid")


def subject(issuer: Issuer, claims: Claims) -> uuid.UUID:
    """Return the user's UUID: the subject itself, or a hash of issuer and subject.

    Hashed ids have their own UUID variant. A subject of that variant is hashed again, so no issuer
    can choose a hashed id. Raises: TokenNotValid: there is no subject.
    """
    said = _found(claims, issuer.subject_claim)
    if not isinstance(said, str) or not 0 < len(said) <= SUBJECT_MAX:
        raise TokenNotValid("The access token's subject is missing")
    known = parse_uuid(said)
    if known is not None and not is_hashed(known):
        return known
    return hashed_id("subject", issuer.issuer, said)


def role(issuer: Issuer, claims: Claims) -> str:
    """Return the role of a token: admin, support or, without either role, user.

    A token with both roles counts as an admin's.
    """
    roles = _texts(_found(claims, issuer.role_claim))
    if issuer.admin_role in roles:
        return ROLE_ADMIN
    return ROLE_SUPPORT if issuer.support_role in roles else ROLE_USER


def support_id(issuer: Issuer, claims: Claims) -> str:
    """Return the name under which a person of support acts: `support:` and their subject.

    Raises: TokenNotValid: the subject is missing, too long, or cannot be printed.
    """
    said = _found(claims, issuer.subject_claim)
    if not isinstance(said, str) or not 0 < len(said) <= SUPPORT_SUBJECT_MAX:
        raise TokenNotValid(f"The subject of support has 1 to {SUPPORT_SUBJECT_MAX} characters")
    if not said.isprintable() or said != said.strip():
        raise TokenNotValid("The subject of support has characters that cannot be printed")
    return f"{ROLE_SUPPORT}:{said}"


def name(issuer: Issuer, claims: Claims) -> str:
    """Return a person's name, cut to a limit; empty if the token has none.

    Characters that cannot be printed are removed, such as marks that change the text direction.
    """
    said = _found(claims, issuer.name_claim)
    if not isinstance(said, str):
        return ""
    return "".join(one for one in said if one.isprintable()).strip()[:NAME_MAX]


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
    """Return the value of a claim; None: the claim is missing."""
    if isinstance(claim, str):
        # The dots of a URL, or of a name with a colon, do not separate claims.
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
