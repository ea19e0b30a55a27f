"""The people behind tokens: their marketplace, and their user in it.

A person who is not yet a user is registered at their first request.
"""

import uuid
from dataclasses import dataclass

from orchestrator.orders.v1 import orders_pb2

from chassis.identity import ROLE_SUPPORT, Identity, current_address
from chassis.telemetry import logger
from gateway import backends
from gateway.auth import CALLER, Credential, ScopeMissing
from gateway.backends import Backends
from gateway.keys import READ, SUPPORT, WRITE, KeyStore
from gateway.party.tokens import Bearer
from gateway.single_flight import SingleFlight
from kernel.errors import AlreadyExists, DeadlineExceeded, NotFound, Unavailable
from kernel.ids import parse_uuid

# Registration waits for the wallet on chain. The user exists before it, so a timeout is no failure.
REGISTER_SECONDS = 10.0
KNOWN_MAX = 50_000
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonCredential(Credential):
    """A person's credential. expires_at: when the token expires, in seconds since 1970."""

    expires_at: float


@dataclass(frozen=True, slots=True)
class _Person:
    marketplace_id: uuid.UUID
    subject: uuid.UUID


class People:
    """Finds users by their tokens' subjects. A user's id never changes, so it is cached."""

    def __init__(self, backends: Backends, store: KeyStore) -> None:
        self._backends = backends
        self._store = store
        # Marketplaces by name and environment.
        self._marketplaces: dict[tuple[str, str], uuid.UUID] = {}
        self._known: SingleFlight[_Person, uuid.UUID] = SingleFlight(maximum=KNOWN_MAX)

    async def credential(self, bearer: Bearer, *, request_id: str) -> PersonCredential:
        """Return the credential of a bearer. A new person is registered.

        The subject is looked up as a user's UUID (see `claims.subject`), then as an
        `externalUserId`. If neither exists, a new user is registered with the subject as UUID.

        Raises: ScopeMissing: the bearer is not a party; Unavailable; DeadlineExceeded.
        """
        if bearer.role == ROLE_SUPPORT:
            raise ScopeMissing("A token of support is not for the party API")
        marketplace_id = await self._marketplace(bearer)
        person = _Person(marketplace_id, bearer.subject)
        # Concurrent requests of one person share one lookup or registration.
        user_id = await self._known.get(person, lambda: self._find_or_register(person, request_id))
        if user_id is None:
            raise RuntimeError("a person was neither found nor registered")
        identity = _identity(person, user_id=user_id, role=bearer.role)
        return PersonCredential(
            identity=identity,
            account=f"{marketplace_id}:{identity.principal}",
            expires_at=bearer.expires_at,
        )

    async def support(self, bearer: Bearer) -> PersonCredential:
        """Return the credential of a person of support.

        It has no user of its own. If a user with the same subject exists, the identity names this
        user, and the services refuse the person the disputes of this user.

        Raises: Unavailable; DeadlineExceeded: it is unknown whether such a user exists.
        """
        if bearer.role != ROLE_SUPPORT:
            raise RuntimeError("a token of another role was taken for one of support")
        marketplace_id = await self._marketplace(bearer)
        person = _Person(marketplace_id, bearer.subject)
        identity = Identity(
            caller=CALLER,
            marketplace_id=marketplace_id,
            principal=bearer.support_id,
            role=ROLE_SUPPORT,
            scopes=frozenset({READ, SUPPORT}),
            name=bearer.name,
            own_user_id=await self._known.get(person, lambda: self._find_or_none(person)),
        )
        account = f"{marketplace_id}:{identity.principal}"
        return PersonCredential(identity=identity, account=account, expires_at=bearer.expires_at)

    async def _marketplace(self, bearer: Bearer) -> uuid.UUID:
        name = (bearer.marketplace, bearer.issuer.environment)
        known = self._marketplaces.get(name)
        if known is None:
            marketplace_id = parse_uuid(bearer.marketplace)
            if marketplace_id is None:
                known = await self._store.find_marketplace(name[0], environment=name[1])
            elif await self._store.marketplace_of(marketplace_id) is not None:
                known = marketplace_id
            if known is None:
                # Refused like a mistyped name, because no API key could see the users of this id.
                log.error("tokens.marketplace_unknown", marketplace=bearer.marketplace)
                raise Unavailable("The issuer's marketplace does not exist yet")
            self._marketplaces[name] = known
        return known

    async def _find_or_register(self, person: _Person, request_id: str) -> uuid.UUID:
        # Bound in this lookup's own task; the waiting requests keep their own identities.
        who = _identity(person, user_id=person.subject, role="user")
        backends.bind(who, request_id=request_id, address=current_address())
        try:
            return await self._find(person)
        except NotFound:
            pass
        request = orders_pb2.RegisterUserRequest(
            request_id=f"r:{uuid.uuid4()}",
            external_user_id=str(person.subject),
            user_id=str(person.subject),
            type=orders_pb2.USER_TYPE_BOTH,
        )
        try:
            made = await self._backends.call(
                self._backends.orders.RegisterUser, request, timeout_seconds=REGISTER_SECONDS
            )
            return uuid.UUID(made.id)
        except (AlreadyExists, DeadlineExceeded):
            # Another gateway has registered the same person, or the wallet takes longer.
            return await self._find(person)

    async def _find_or_none(self, person: _Person) -> uuid.UUID | None:
        """Return the user with a subject. None is not cached: the user may be registered later."""
        backends.bind(_identity(person, user_id=person.subject, role="user"), request_id="")
        try:
            return await self._find(person)
        except NotFound:
            return None

    async def _find(self, person: _Person) -> uuid.UUID:
        request = orders_pb2.GetUserRequest(user=str(person.subject))
        found = await self._backends.call(self._backends.orders.GetUser, request)
        return uuid.UUID(found.id)


def _identity(person: _Person, *, user_id: uuid.UUID, role: str) -> Identity:
    return Identity(
        caller=CALLER,
        marketplace_id=person.marketplace_id,
        principal=f"user:{user_id}",
        role=role,
        scopes=frozenset({READ, WRITE}),
        user_id=user_id,
    )
