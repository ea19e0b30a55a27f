"""Who is calling: the service at the other end, and the principal it acts for.

The gateway turns a credential into an Identity; it travels between services as a short-lived
token that the caller signs with its own key, so that nobody can speak as another.
"""

import contextvars
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.trust import Grant, Trust
from kernel.errors import PermissionDenied, Unauthenticated

METADATA_KEY = "x-identity"
REQUEST_ID_KEY = "x-request-id"
# Trailing metadata of an answer that had been given before.
REPLAYED_KEY = "x-idempotent-replayed"
AUDIENCE = "orchestrator-services"
ALGORITHM = "EdDSA"
LIFETIME_SECONDS = 300
CACHE_SIZE = 4096

# The caller that operators' tools are, and how one of them is named: with small letters, so that
# Alice is not two people.
OPERATOR = "operator"
OPERATOR_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}", re.ASCII)

ROLE_MARKETPLACE = "marketplace"
ROLE_USER = "user"
ROLE_ADMIN = "admin"
ROLE_SYSTEM = "system"
# Who may do what a line of an allow-list says, where it says nothing else: a marketplace's keys,
# and services that go on with its work.
MARKETPLACE = frozenset({ROLE_MARKETPLACE, ROLE_SYSTEM})
# People act for themselves alone: what they may call checks that it is about them.
PEOPLE = frozenset({ROLE_USER, ROLE_ADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The caller of one request.

    caller: the service that makes the call, "gateway". principal: whom it acts for, "key:{id}" or
    "user:{uuid}". role: marketplace, user, admin or system. user_id: a person's, never missing.
    grant: what a caller from outside the house may do; it is never told, but known of the caller.
    """

    caller: str
    marketplace_id: uuid.UUID
    principal: str
    role: str
    scopes: frozenset[str] = frozenset()
    user_id: uuid.UUID | None = None
    grant: Grant | None = field(default=None, compare=False, repr=False)


class OperatorNotNamed(PermissionDenied):
    """The caller is not an operator's tool, or does not name the operator."""

    reason = "OPERATOR_NOT_NAMED"


_current: contextvars.ContextVar[Identity | None] = contextvars.ContextVar("identity", default=None)
_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


def current() -> Identity:
    """Return the identity of the request being served. Raises: Unauthenticated: there is none."""
    identity = _current.get()
    if identity is None:
        raise Unauthenticated("No identity")
    return identity


def current_operator() -> str:
    """Return the name of the operator who calls. Raises: OperatorNotNamed; Unauthenticated."""
    who = current()
    prefix, _, name = who.principal.partition(":")
    if who.caller != OPERATOR or prefix != OPERATOR or OPERATOR_NAME.fullmatch(name) is None:
        raise OperatorNotNamed("An operator must be named: OPERATOR=<name>")
    return name


def current_or_none() -> Identity | None:
    """Return the identity of the request being served, or None outside of one."""
    return _current.get()


def current_request_id() -> str:
    """Return the correlation id of the request being served, or an empty string."""
    return _request_id.get()


def bind(identity: Identity | None, *, request_id: str = "") -> None:
    """Set who is calling for the rest of this task."""
    _current.set(identity)
    _request_id.set(request_id)


@contextmanager
def acting_as(who: Identity) -> Iterator[None]:
    """Make the calls of a block another's than the request's: a service's own, for its own work."""
    before = _current.set(who)
    try:
        yield
    finally:
        _current.reset(before)


def system(*, caller: str, marketplace_id: uuid.UUID) -> Identity:
    """Return the identity of a service that goes on with work nobody waits for."""
    return Identity(
        caller=caller,
        marketplace_id=marketplace_id,
        principal=f"service:{caller}",
        role=ROLE_SYSTEM,
        scopes=frozenset({"read", "write", "support", "admin"}),
    )


def operator(*, name: str, marketplace_id: uuid.UUID) -> Identity:
    """Return the identity of an operator's tool. name: the operator's own, or "".

    Whoever has the operators' key can claim any name: it says who acted, and proves it not.
    """
    who = system(caller=OPERATOR, marketplace_id=marketplace_id)
    return replace(who, principal=f"{OPERATOR}:{name}") if name else who


class Signer:
    """Signs identities for calls out; a token is reused for half its life."""

    def __init__(self, *, key: Callable[[], Ed25519PrivateKey], caller: str) -> None:
        """Take where the caller's key is found; one that was replaced signs from then on."""
        self._key = key
        self._caller = caller
        self._signed_with: Ed25519PrivateKey | None = None
        self._tokens: dict[Identity, tuple[float, str]] = {}

    def token(self, identity: Identity) -> str:
        """Return a token that says: this service calls, for that principal."""
        now = time.time()
        key = self._key()
        if key is not self._signed_with:
            self._tokens.clear()
            self._signed_with = key
        cached = self._tokens.get(identity)
        if cached is not None and cached[0] > now:
            return cached[1]
        claims = {
            "iss": self._caller,
            "aud": AUDIENCE,
            "sub": identity.principal,
            "mkt": str(identity.marketplace_id),
            "role": identity.role,
            "scope": " ".join(sorted(identity.scopes)),
            "uid": str(identity.user_id) if identity.user_id else "",
            "exp": int(now) + LIFETIME_SECONDS,
        }
        token = jwt.encode(claims, key, algorithm=ALGORITHM)
        if len(self._tokens) >= CACHE_SIZE:
            self._tokens.clear()
        self._tokens[identity] = (now + LIFETIME_SECONDS / 2, token)
        return token


class Verifier:
    """Checks the tokens of calls in; a token that held is remembered until it expires."""

    def __init__(self, *, trust: Callable[[], Trust]) -> None:
        """Take where it is found whose keys are whose; who was taken out is nobody at once."""
        self._trust = trust
        self._trusted: Trust | None = None
        self._known: dict[str, tuple[float, Identity]] = {}

    def identity(self, token: str, *, peer: str | None = None) -> Identity:
        """Return who calls. peer: whose certificate the connection has; None: it has none.

        Raises: Unauthenticated: missing, forged, stale, of another shape, or not the peer's own.
        """
        trust = self._trust()
        if trust is not self._trusted:
            self._known.clear()
            self._trusted = trust
        known = self._known.get(token)
        if known is not None and known[0] > time.time():
            identity = known[1]
        else:
            identity = self._read(token, trust)
        if peer is not None and peer != identity.caller:
            raise Unauthenticated("The caller's identity is not that of its certificate")
        return identity

    def _read(self, token: str, trust: Trust) -> Identity:
        try:
            claims = _claims(token, trust)
            caller = claims["iss"]
            identity = Identity(
                caller=caller,
                marketplace_id=uuid.UUID(claims["mkt"]),
                principal=claims["sub"],
                role=claims["role"],
                scopes=frozenset(claims["scope"].split()),
                user_id=uuid.UUID(claims["uid"]) if claims["uid"] else None,
                grant=trust.grant_of(caller),
            )
        except (jwt.PyJWTError, KeyError, ValueError, AttributeError, TypeError):
            raise Unauthenticated("The caller's identity is missing or not valid") from None
        if identity.role in PEOPLE and identity.user_id is None:
            # Without a user it would pass for one who acts for the whole marketplace.
            raise Unauthenticated("The identity of a person names no user")
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        self._known[token] = (float(claims["exp"]), identity)
        return identity


def _claims(token: str, trust: Trust) -> dict[str, Any]:
    """Return what a token says, checked with the keys of whom it names. Raises: PyJWTError."""
    said = jwt.decode(token, options={"verify_signature": False})
    refusal: jwt.PyJWTError = jwt.InvalidIssuerError("nobody is called so")
    for key in trust.keys_of(str(said.get("iss", ""))):
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["exp", "iss", "sub", "aud"]},
            )
        except jwt.PyJWTError as error:
            refusal = error
    raise refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may call an RPC: services by name, the principal's role, and the scope it must have.

    hands_over: the method gives its work to a task of its own at once, so that a client that goes
    away cancels nothing, and the call needs no task to guard it.
    """

    callers: frozenset[str]
    scope: str | None = None
    roles: frozenset[str] = MARKETPLACE
    hands_over: bool = False


def allow(
    *callers: str,
    scope: str | None = None,
    roles: frozenset[str] = MARKETPLACE,
    hands_over: bool = False,
) -> Access:
    """Write one line of an allow-list; what has no line is refused, and people where none says so.

    A line that lets PEOPLE in promises that the method looks at whom the request is about.
    """
    return Access(callers=frozenset(callers), scope=scope, roles=roles, hands_over=hands_over)


def names(access: Iterable[str]) -> str:
    """Spell scopes for a message."""
    return ", ".join(sorted(access))
