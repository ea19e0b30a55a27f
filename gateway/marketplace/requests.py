"""The request log of the marketplace: requests with its keys and tokens, for developers."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from chassis.wire import page_token, uuid_from_token
from gateway import request_store
from gateway.answers import Answer
from gateway.call import Call
from gateway.errors import invalid
from gateway.keys import READ
from gateway.marketplace.shapes import Output, Page, Paging, Success, Text, Time, page, success
from gateway.models import Instant
from gateway.request_log import RequestNotFound
from gateway.request_store import Filter
from gateway.routing import Routes
from kernel.clock import to_milliseconds_text
from kernel.ids import from_public, instant_of, to_public

# Reading the log is not logged: it would fill the log with its own requests.
routes = Routes("Requests", is_logged=False)
Status = Annotated[
    str,
    StringConstraints(pattern=r"^[1-5](xx|[0-9][0-9])$"),
    Field(description="A status such as `404`, or a class such as `4xx`."),
]
PathStart = Annotated[
    str,
    StringConstraints(pattern=r"^/", max_length=255),
    Field(description="How the path begins, such as `/api/v1/orders`."),
]


class ListRequests(Paging):
    """One page of the log. All given filters must match; `from` is inclusive, `to` exclusive."""

    status: Status | None = None
    method: Literal["GET", "POST", "PATCH", "DELETE"] | None = None
    route: Annotated[Text | None, Field(description="Such as `/api/v1/orders/{id}`.")] = None
    path: PathStart | None = None
    actor: Annotated[Text | None, Field(description="Such as `key:…`.")] = None
    request_id: Annotated[Text | None, Field(description="The `X-Request-Id`.")] = None
    answered_from: Annotated[Instant | None, Field(alias="from")] = None
    answered_to: Annotated[Instant | None, Field(alias="to")] = None


class LoggedRequest(Output):
    """A request, without its body and query. code, message: of a refusal, otherwise null."""

    id: Annotated[str, StringConstraints(pattern=r"^req_[0-9A-Za-z]{22}$")]
    at: Time
    actor: Annotated[str, Field(description="`key:…`, `user:…` or `support:…`.")]
    role: Literal["marketplace", "user", "admin", "support"]
    method: str
    route: Annotated[str, Field(examples=["/api/v1/orders/{id}"])]
    path: str
    status: int
    code: str | None
    message: str | None
    milliseconds: int
    requestId: str
    idempotencyKey: str | None


@routes.get("/requests", scope=READ, support=True)
async def list_requests(call: Call, query: ListRequests) -> Answer[Page[LoggedRequest]]:
    """List the requests of the last days, newest first.

    A request appears a second or two after its answer. One page reads a limited number of requests,
    so it can have fewer than `limit` although there is a next page.
    """
    since, until = query.answered_from, query.answered_to
    if since is not None and until is not None and since >= until:
        raise invalid("to", "must be after from")
    chosen = Filter(
        marketplace_id=call.caller.identity.marketplace_id,
        before=uuid_from_token(query.cursor or ""),
        statuses=_statuses(query.status),
        method=query.method or "",
        route=query.route or "",
        path=query.path or "",
        actor=query.actor or "",
        request_id=query.request_id or "",
        since=since,
        until=until,
    )
    found = await call.parts.requests.store.page(chosen, limit=query.limit)
    token = page_token(found.next_before) if found.next_before is not None else ""
    return page([printed(one) for one in found.rows], next_token=token)


@routes.get("/requests/{id}", scope=READ, support=True, refusals=("REQUEST_NOT_FOUND",))
async def get_request(call: Call) -> Answer[Success[LoggedRequest]]:
    """Read one request of the log."""
    id_ = from_public("req", call.params["id"])
    found = None
    if id_ is not None:
        found = await call.parts.requests.store.find(
            marketplace_id=call.caller.identity.marketplace_id, id_=id_
        )
    if found is None:
        raise RequestNotFound("Request not found")
    return success(printed(found))


def printed(one: request_store.LoggedRequest) -> LoggedRequest:
    """Return a logged request as the API shows it."""
    return {
        "id": to_public("req", one.id),
        "at": to_milliseconds_text(instant_of(one.id)),
        "actor": one.actor,
        "role": one.role,  # type: ignore[typeddict-item] # the roles of credentials
        "method": one.method,
        "route": one.route,
        "path": one.path,
        "status": one.status,
        "code": one.code or None,
        "message": one.message or None,
        "milliseconds": one.milliseconds,
        "requestId": one.request_id,
        "idempotencyKey": one.idempotency_key or None,
    }


def _statuses(text: str | None) -> tuple[int, int] | None:
    """Parse a status or a class of statuses (4xx) into the lowest and the highest status."""
    if text is None:
        return None
    return int(text.replace("x", "0")), int(text.replace("x", "9"))
