"""Identities: the calling service, and the principal for which it acts.

The gateway turns a credential into an Identity. Between services it travels as a short-lived token
that the caller signs with its own key. No service can therefore act as another service.
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
# The address of the client that sent the request, as the gateway saw it.
ADDRESS_KEY = "x-client-address"
# Trailing metadata of a call whose answer is a stored one.
REPLAYED_KEY = "x-idempotent-replayed"
AUDIENCE = "orchestrator-services"
ALGORITHM = "EdDSA"
LIFETIME_SECONDS = 300
CACHE_SIZE = 4096

# The caller name of operators' tools, and the form of an operator's name: lower case only, because
# "Alice" and "alice" must not count as two people.
OPERATOR = "operator"
OPERATOR_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}", re.ASCII)

ROLE_MARKETPLACE = "marketplace"
ROLE_USER = "user"
ROLE_ADMIN = "admin"
ROLE_SUPPORT = "support"
ROLE_SYSTEM = "system"
# The default roles of a line of an allow-list: a marketplace's keys, and services that continue a
# marketplace's work.
MARKETPLACE = frozenset({ROLE_MARKETPLACE, ROLE_SYSTEM})
# People act only for themselves. Each method that admits them must check it.
PEOPLE = frozenset({ROLE_USER, ROLE_ADMIN})
# People who work for the marketplace on any of its disputes. They have no user.
STAFF = frozenset({ROLE_SUPPORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The caller of one request.

    caller: the service that makes the call, such as "gateway". principal: for whom it acts:
    "key:{id}", "user:{uuid}" or "support:{subject}". role: marketplace, user, admin, support or
    system. user_id: always set for a user or an admin, otherwise None. name: a person of support's
    name, if their token has it. own_user_id: the user that a person of support also is, if any;
    this person may not decide disputes of that user. environment: of the API key, "live" or "test";
    "" if there is no key. grant: the rights of a caller from outside; it comes from the trust file,
    never from the token.
    """

    caller: str
    marketplace_id: uuid.UUID
    principal: str
    role: str
    scopes: frozenset[str] = frozenset()
    user_id: uuid.UUID | None = None
    environment: str = ""
    name: str = ""
    own_user_id: uuid.UUID | None = None
    grant: Grant | None = field(default=None, compare=False, repr=False)


class OperatorNotNamed(PermissionDenied):
    """The caller is not an operator's tool, or does not name the operator."""

    reason = "OPERATOR_NOT_NAMED"


_current: contextvars.ContextVar[Identity | None] = contextvars.ContextVar("identity", default=None)
_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
_address: contextvars.ContextVar[str] = contextvars.ContextVar("address", default="")


def current() -> Identity:
    """Return the identity of the current request. Raises: Unauthenticated: there is none."""
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
    """Return the identity of the current request; None outside of a request."""
    return _current.get()


def current_request_id() -> str:
    """Return the id of the current request, for logs and traces; or an empty string."""
    return _request_id.get()


def current_address() -> str:
    """Return the address of the client that sent the current request, or an empty string."""
    return _address.get()


def bind(identity: Identity | None, *, request_id: str = "", address: str = "") -> None:
    """Set identity, request id and client address for the rest of this task."""
    _current.set(identity)
    _request_id.set(request_id)
    _address.set(address)


@contextmanager
def acting_as(who: Identity) -> Iterator[None]:
    """Use another identity for the outgoing calls of a block, such as the service's own."""
    before = _current.set(who)
    try:
        yield
    finally:
        _current.reset(before)


def system(*, caller: str, marketplace_id: uuid.UUID) -> Identity:
    """Return the identity of a service for its background work."""
    return Identity(
        caller=caller,
        marketplace_id=marketplace_id,
        principal=f"service:{caller}",
        role=ROLE_SYSTEM,
        scopes=frozenset({"read", "write", "support", "admin"}),
    )


def require_self(asked: str) -> None:
    """Check that a person asks only about themselves. Other roles may ask about any user.

    asked: the user's UUID. Raises: PermissionDenied.
    """
    own = current().user_id
    if own is not None and asked != str(own):
        raise PermissionDenied("You can only access your own data")


def operator(*, name: str, marketplace_id: uuid.UUID) -> Identity:
    """Return the identity of an operator's tool. name: the operator's name, or "".

    Every holder of the operators' key can claim any name: the name is a record, not a proof.
    """
    who = system(caller=OPERATOR, marketplace_id=marketplace_id)
    return replace(who, principal=f"{OPERATOR}:{name}") if name else who


class Signer:
    """Signs identities for outgoing calls. A token is reused for half of its lifetime."""

    def __init__(self, *, key: Callable[[], Ed25519PrivateKey], caller: str) -> None:
        """Take the source of the caller's key. A replaced key is used at once."""
        self._key = key
        self._caller = caller
        self._signed_with: Ed25519PrivateKey | None = None
        self._tokens: dict[Identity, tuple[float, str]] = {}

    def token(self, identity: Identity) -> str:
        """Return a token that names this service and the principal."""
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
            "env": identity.environment,
            "name": identity.name,
            "own": str(identity.own_user_id) if identity.own_user_id else "",
            "exp": int(now) + LIFETIME_SECONDS,
        }
        token = jwt.encode(claims, key, algorithm=ALGORITHM)
        if len(self._tokens) >= CACHE_SIZE:
            self._tokens.clear()
        self._tokens[identity] = (now + LIFETIME_SECONDS / 2, token)
        return token


class Verifier:
    """Verifies the tokens of incoming calls. A valid token is cached until it expires."""

    def __init__(self, *, trust: Callable[[], Trust]) -> None:
        """Take the source of the trust. A removed caller is refused at once."""
        self._trust = trust
        self._trusted: Trust | None = None
        self._known: dict[str, tuple[float, Identity]] = {}

    def identity(self, token: str, *, peer: str | None = None) -> Identity:
        """Return the identity of a call. peer: the program in the connection's certificate.

        Raises: Unauthenticated: missing, forged, expired, malformed, or not the peer's own.
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
            grant = trust.grant_of(caller)
            identity = Identity(
                caller=caller,
                marketplace_id=uuid.UUID(claims["mkt"]),
                principal=claims["sub"],
                role=claims["role"],
                scopes=frozenset(claims["scope"].split()),
                user_id=uuid.UUID(claims["uid"]) if claims["uid"] else None,
                # Only our own programs know the environment; an outside caller could claim any.
                environment=str(claims.get("env", "")) if grant is None else "",
                name=str(claims.get("name", "")) if grant is None else "",
                own_user_id=uuid.UUID(claims["own"]) if claims.get("own") else None,
                grant=grant,
            )
        except (jwt.PyJWTError, KeyError, ValueError, AttributeError, TypeError):
            raise Unauthenticated("The caller's identity is missing or not valid") from None
        if identity.role in PEOPLE and identity.user_id is None:
            # Without a user, the identity would count as acting for the whole marketplace.
            raise Unauthenticated("The identity of a person names no user")
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        self._known[token] = (float(claims["exp"]), identity)
        return identity


def _claims(token: str, trust: Trust) -> dict[str, Any]:
    """Return a token's claims, verified with the keys of the caller that it names.

    Raises: PyJWTError.
    """
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
    """The right to call an RPC: the calling services, the principal's roles, and the scope needed.

    people_scope: the scope that people need, if it differs from `scope`. hands_over: the method
    hands its work to a task of its own at once; a cancelled call then cannot cancel the work, and
    the interceptor adds no task to protect it.
    """

    callers: frozenset[str]
    scope: str | None = None
    roles: frozenset[str] = MARKETPLACE
    hands_over: bool = False
    people_scope: str | None = None

    def scope_for(self, role: str) -> str | None:
        """Return the scope that a principal with this role needs."""
        return self.people_scope if self.people_scope and role in PEOPLE else self.scope


def allow(
    *callers: str,
    scope: str | None = None,
    roles: frozenset[str] = MARKETPLACE,
    hands_over: bool = False,
    people_scope: str | None = None,
) -> Access:
    """Return one line of an allow-list. A method without a line is refused. People need a role.

    A method whose line admits PEOPLE must check that the request is about the caller.
    """
    return Access(
        callers=frozenset(callers),
        scope=scope,
        roles=roles,
        hands_over=hands_over,
        people_scope=people_scope,
    )


def names(access: Iterable[str]) -> str:
    """Format scopes for a message."""
    return ", ".join(sorted(access))
