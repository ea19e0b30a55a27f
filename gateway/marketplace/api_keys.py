"""The marketplace's API keys: created, listed and revoked by a key with the scope `admin`."""

import base64
import binascii
import contextlib
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from chassis.idempotency import RequestKey
from gateway.answers import Answer
from gateway.call import Call
from gateway.errors import invalid_cursor
from gateway.keys import ADMIN, Key
from gateway.marketplace.shapes import Output, Page, Paging, Success, Time, page, success
from gateway.models import Request
from gateway.routing import ANY, Routes
from kernel.clock import to_milliseconds_text
from kernel.errors import DomainError, PermissionDenied

routes = Routes("Access")


class ScopesExceedCaller(PermissionDenied):
    """A key cannot create a key with more scopes than its own."""

    reason = "INSUFFICIENT_SCOPE"


class CreateKey(Request):
    """A key for the caller's own marketplace and environment, with at most the caller's scopes."""

    scopes: Annotated[
        list[Literal["read", "write", "support", "admin"]], Field(min_length=1, max_length=4)
    ]
    name: Annotated[str, StringConstraints(max_length=100)] | None = None


class ApiKey(Output):
    """A key, without its secret."""

    id: str
    name: str
    environment: str
    scopes: list[str]
    createdAt: Time
    expiresAt: Time | None
    revokedAt: Time | None


class NewApiKey(ApiKey):
    """A key with its secret, which is shown only this once."""

    key: str


def api_key(key: Key) -> ApiKey:
    """Return a key as the API shows it, without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "environment": key.environment,
        "scopes": sorted(key.scopes),
        "createdAt": to_milliseconds_text(key.created_at),
        "expiresAt": to_milliseconds_text(key.expires_at) if key.expires_at else None,
        "revokedAt": to_milliseconds_text(key.revoked_at) if key.revoked_at else None,
    }


@routes.post(
    "/auth/api-keys",
    scope=ADMIN,
    status=201,
    examples={"backend": {"scopes": ["read", "write"], "name": "Shop backend"}},
)
async def create_key(call: Call, body: CreateKey) -> Answer[Success[NewApiKey]]:
    """Create a key for the same marketplace and environment. Its secret is shown only once."""
    caller = own(call)
    wanted = frozenset(body.scopes)
    if not wanted <= caller.scopes:
        raise ScopesExceedCaller(
            "A key cannot create a key with more scopes than its own.",
            details={
                "required_scope": min(wanted - caller.scopes),
                "current_scopes": sorted(caller.scopes),
            },
        )
    with _telling_replays(call):
        made = await call.parts.keys.store.create(
            marketplace_id=caller.marketplace_id,
            environment=caller.environment,
            scopes=wanted,
            name=body.name or "",
            asked=_asked(call),
        )
    call.reply.replayed = made.replayed
    return success({**api_key(made.key), "key": made.text})


@routes.get("/auth/api-keys", scope=ADMIN)
async def list_keys(call: Call, query: Paging) -> Answer[Page[ApiKey]]:
    """List the marketplace's keys, newest first, including revoked keys."""
    after = None
    if query.cursor is not None:
        try:
            after = base64.b64decode(query.cursor, altchars=b"-_", validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            raise invalid_cursor() from None
    found = await call.parts.keys.store.list(
        marketplace_id=own(call).marketplace_id, limit=query.limit + 1, after=after
    )
    shown, more = found[: query.limit], len(found) > query.limit
    token = base64.urlsafe_b64encode(shown[-1].id.encode()).decode() if more else ""
    return page([api_key(key) for key in shown], next_token=token)


@routes.delete("/auth/api-keys/{id}", scope=ADMIN, refusals=("API_KEY_NOT_FOUND",))
async def revoke_key(call: Call) -> Answer[Success[ApiKey]]:
    """Revoke a key. It stops working here at once, and on other gateways within five seconds."""
    store = call.parts.keys.store
    with _telling_replays(call):
        done = await store.revoke(
            call.params["id"], marketplace_id=own(call).marketplace_id, asked=_asked(call)
        )
    call.reply.replayed = done.replayed
    call.parts.keys.forget(done.key.id)
    return success(api_key(done.key))


class Me(Output):
    """The credential of the request: a key, or a person of support. The other's id is null."""

    marketplaceId: str
    marketplace: str
    environment: str
    keyId: str | None
    supportId: str | None
    name: str
    scopes: list[str]


@routes.get("/me", scope=ANY, support=True)
async def get_me(call: Call) -> Answer[Success[Me]]:
    """Read the credential of this request: its marketplace, name and scopes."""
    caller, who = call.caller.key, call.caller.identity
    if caller is None:
        found = await call.parts.keys.store.marketplace_of(who.marketplace_id)
        marketplace, environment = found or ("", "")
        return success(
            {
                "marketplaceId": str(who.marketplace_id),
                "marketplace": marketplace,
                "environment": environment,
                "keyId": None,
                "supportId": who.principal,
                "name": who.name,
                "scopes": sorted(who.scopes),
            }
        )
    return success(
        {
            "marketplaceId": str(caller.marketplace_id),
            "marketplace": caller.marketplace,
            "environment": caller.environment,
            "keyId": caller.id,
            "supportId": None,
            "name": caller.name,
            "scopes": sorted(caller.scopes),
        }
    )


@contextlib.contextmanager
def _telling_replays(call: Call) -> Iterator[None]:
    """Record on the call whether a refusal raised in the block is a replayed one."""
    try:
        yield
    except DomainError as error:
        call.reply.replayed = error.replayed
        raise


def _asked(call: Call) -> RequestKey | None:
    if "idempotency-key" not in call.headers:
        return None
    return RequestKey(
        marketplace_id=own(call).marketplace_id,
        scope="",
        key=call.write_key(),
        fingerprint=call.fingerprint(),
    )


def own(call: Call) -> Key:
    """Return the API key of a request."""
    key = call.caller.key
    if key is None:
        raise RuntimeError("a route of the marketplace API was reached without an API key")
    return key
