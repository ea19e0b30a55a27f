"""The marketplace's API keys: made, listed and revoked by a key with the scope `admin`."""

import base64
import binascii
import contextlib
from collections.abc import Iterator

from chassis.idempotency import RequestKey
from gateway.call import Answer, Call
from gateway.keys import ADMIN, Key
from gateway.marketplace import commands, envelope, examples, outputs, rendering
from gateway.marketplace.inputs import CreateKey, Paging
from gateway.routing import ANY, Routes
from kernel.errors import DomainError, InvalidArgument, PermissionDenied

routes = Routes("Access")


class ScopesExceedCaller(PermissionDenied):
    """A key cannot make a mightier one."""

    reason = "INSUFFICIENT_SCOPE"


@routes.post(
    "/auth/api-keys",
    scope=ADMIN,
    body=CreateKey,
    examples=examples.CREATE_KEY,
    answers={201: envelope.Success[outputs.NewApiKey]},
)
async def create_key(call: Call, body: CreateKey) -> Answer:
    """Make a key of the same marketplace and environment. The key is shown this once."""
    caller = own(call)
    wanted = frozenset(body.scopes)
    if not wanted <= caller.scopes:
        raise ScopesExceedCaller(
            "A key cannot give scopes it does not have",
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
    data = {**rendering.api_key(made.key), "key": made.text}
    return rendering.success(data, status=commands.CREATED)


@routes.get(
    "/auth/api-keys", scope=ADMIN, query=Paging, answers={200: envelope.Page[outputs.ApiKey]}
)
async def list_keys(call: Call, query: Paging) -> Answer:
    """List the marketplace's keys, newest first, revoked ones too."""
    found = await call.parts.keys.store.list(
        marketplace_id=own(call).marketplace_id,
        limit=query.limit + 1,
        after=_after(query.cursor),
    )
    shown, more = found[: query.limit], len(found) > query.limit
    token = base64.urlsafe_b64encode(shown[-1].id.encode()).decode() if more else ""
    return rendering.page([rendering.api_key(key) for key in shown], next_token=token)


@routes.delete(
    "/auth/api-keys/{id}",
    scope=ADMIN,
    answers={200: envelope.Success[outputs.ApiKey]},
    refusals=("API_KEY_NOT_FOUND",),
)
async def revoke_key(call: Call) -> Answer:
    """Revoke a key: refused here at once, on other gateways within five seconds."""
    store = call.parts.keys.store
    with _telling_replays(call):
        done = await store.revoke(
            call.params["id"], marketplace_id=own(call).marketplace_id, asked=_asked(call)
        )
    call.reply.replayed = done.replayed
    call.parts.keys.forget(done.key.id)
    return rendering.success(rendering.api_key(done.key))


@routes.get("/me", scope=ANY, answers={200: envelope.Success[outputs.Me]})
async def get_me(call: Call) -> Answer:
    """Tell whom the credential stands for."""
    caller = own(call)
    data = {
        "marketplaceId": str(caller.marketplace_id),
        "marketplace": caller.marketplace,
        "environment": caller.environment,
        "keyId": caller.id,
        "name": caller.name,
        "scopes": sorted(caller.scopes),
    }
    return rendering.success(data)


@contextlib.contextmanager
def _telling_replays(call: Call) -> Iterator[None]:
    """Tell of a refusal whether it is given again."""
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


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise InvalidArgument(
            "Invalid field: cursor", fields=[("cursor", "is not one that was given out")]
        ) from None
