"""The OpenAPI document of a view: what its routes say, and what FastAPI cannot know of them."""

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import REASONS
from gateway.routing import ANY, OPEN, Operation
from kernel.version import VERSION

# What any route may answer, whatever it does.
_ALWAYS = (
    "INTERNAL_ERROR",
    "PROVIDER_UNAVAILABLE",
    "PROVIDER_TIMEOUT",
    "VALIDATION_ERROR",
    "HEADERS_TOO_LARGE",
    "REQUEST_TIMEOUT",
)
_WITH_CREDENTIAL = ("UNAUTHORIZED", "INVALID_API_KEY", "RATE_LIMITED")
_WITH_SCOPE = ("INSUFFICIENT_SCOPE",)
_WITH_BODY = (
    "MISSING_REQUIRED_FIELD",
    "INVALID_AMOUNT_FORMAT",
    "BODY_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
)
_WITH_KEY = ("IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_PROGRESS")
BAD_REQUEST, UNAUTHENTICATED, TOO_MANY = 400, 401, 429
# With these goes when to come back; with those it may: somebody else is in the middle of it, or
# what failed is not known to fail again.
COME_BACK = frozenset({TOO_MANY, 503, 504})
MAY_COME_BACK = frozenset({409, 502})
# Refusals that are kept with an Idempotency-Key, and given again, have one of these.
KEPT = frozenset({404, 409, 422, 502})
_TEXT = {"type": "string"}
# One event of a stream, field by field. A ping has no id, and no data to speak of.
_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {**_TEXT, "description": "For `Last-Event-ID`; `ping` has none"},
        "event": {**_TEXT, "examples": ["order.created", "ping"]},
        "data": {
            **_TEXT,
            "contentMediaType": "application/json",
            "contentSchema": {
                "type": "object",
                "properties": {
                    **dict.fromkeys(
                        ("eventId", "eventType", "aggregateId", "aggregateType"), _TEXT
                    ),
                    "occurredAt": {**_TEXT, "format": "date-time"},
                    "version": {"type": "integer", "minimum": 1},
                    "payload": {"type": "object"},
                    "metadata": {"type": "object"},
                },
            },
        },
    },
}
# Reasons that are printed under their own name; their status follows from their kind.
OWN_STATUS = {
    "USER_ID_TAKEN": 409,
    "CLIENT_ORDER_REF_TAKEN": 409,
    "USER_NOT_READY": 409,
    "REFERENCE_TAKEN": 409,
    "MANUAL_CREDIT_DISABLED": 409,
    "WALLET_NOT_FOUND": 404,
    "API_KEY_NOT_FOUND": 404,
}


def responses(
    operation: Operation, *, failure: Any, is_party: bool = False
) -> dict[int | str, dict[str, Any]]:
    """Return every status a route may answer, with its model, for FastAPI."""
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": model, "description": "Accepted: still in motion"}
        if status == 202  # noqa: PLR2004 - Accepted
        else {"model": model, "description": "Done"}
        for status, model in operation.answers.items()
    }
    if operation.streams:
        answers[200] = {
            "description": "Server-sent events",
            "content": {"text/event-stream": {"schema": _EVENT}},
        }
    by_status: dict[int, list[str]] = {}
    for status, code in sorted(set(_refusals(operation, is_party=is_party))):
        by_status.setdefault(status, []).append(code)
    for status, codes in by_status.items():
        answers[status] = {"model": failure, "description": ", ".join(f"`{c}`" for c in codes)}
    for number, answer in answers.items():
        answer["headers"] = dict(_headers(operation, int(number)))
    return answers


def _headers(operation: Operation, status: int) -> Iterable[tuple[str, dict[str, Any]]]:
    yield "X-Request-Id", _header("The request's own, or a new one")
    if operation.scope != OPEN and status != UNAUTHENTICATED:
        # A request may be refused before anybody knows whose it is.
        always = status < BAD_REQUEST or status == TOO_MANY
        limit = _header("Requests a minute", type="integer", required=always)
        yield "X-RateLimit-Limit", limit
        yield "X-RateLimit-Remaining", {**limit, "description": "Requests left"}
    if operation.changes and (status < BAD_REQUEST or status in KEPT):
        yield "Idempotent-Replayed", _header("`true`: answered before", required=False)
    if status == UNAUTHENTICATED:
        yield "WWW-Authenticate", _header("`Bearer`")
    if status in COME_BACK | MAY_COME_BACK:
        yield "Retry-After", _header("Seconds", type="integer", required=status in COME_BACK)


def _header(text: str, *, type: str = "string", required: bool = True) -> dict[str, Any]:  # noqa: A002 - the schema's word
    return {"description": text, "required": required, "schema": {"type": type}}


def _refusals(operation: Operation, *, is_party: bool) -> Iterable[tuple[int, str]]:
    reasons = [*_ALWAYS, *operation.refusals]
    if operation.scope != OPEN:
        reasons += _WITH_CREDENTIAL
        reasons += _WITH_SCOPE if operation.scope else ()
    if operation.body is not None:
        reasons += _WITH_BODY
    if operation.changes:
        reasons += _WITH_KEY
    for reason in reasons:
        known = REASONS.get(reason)
        if known is None:
            yield OWN_STATUS[reason], reason.lower() if is_party else reason
        elif is_party:
            yield known.party_status or known.status, known.party_code
        else:
            yield known.status, known.code


def new_app(*, title: str, description: str) -> FastAPI:
    """Make an app that documents itself by `add_document`, and redirects nobody."""
    return FastAPI(
        title=title,
        version=VERSION,
        description=description,
        contact={"name": "The operator of this gateway"},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        # The document is served by the gateway that it describes.
        servers=[{"url": "/", "description": "This gateway"}],
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )


def add_document(
    app: FastAPI,
    *,
    operations: Collection[Operation],
    schemes: dict[str, Any],
    tags: Mapping[str, str],
    openapi_path: str,
) -> None:
    """Give an app its OpenAPI document. tags: the groups of its routes, each with what it is."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                contact=app.contact,
                license_info=app.license_info,
                servers=app.servers,
                tags=[{"name": name, "description": text} for name, text in tags.items()],
                routes=app.routes,
            )
            made.setdefault("components", {})["securitySchemes"] = schemes
            _drop_foreign_refusals(made)
            for one in operations:
                described = made["paths"][f"/api/v1{one.path}"][one.method.lower()]
                _secure(described, one.scope, schemes)
                if one.streams:
                    _drop_json(described)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # how FastAPI is told of another document
    app.add_route(openapi_path, _served(document), include_in_schema=False)


def _served(document: Callable[[], dict[str, Any]]) -> Any:
    # Anybody may ask for it: it is spelled once.
    content = functools.cache(lambda: orjson.dumps(document()))

    async def served(_request: Request) -> Response:
        return Response(content(), media_type="application/json")

    return served


def _secure(operation: dict[str, Any], scope: str, schemes: Collection[str]) -> None:
    """Say which credentials a route takes; one that takes none says that, too."""
    # A scope is told in words: in a list, it would have to be one of OAuth's.
    operation["security"] = [] if scope == OPEN else [{name: []} for name in schemes]
    if scope not in {OPEN, ANY}:
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nScope: `{scope}`".strip()


def _drop_json(operation: dict[str, Any]) -> None:
    """Take out the JSON that FastAPI says a stream of events is."""
    del operation["responses"]["200"]["content"]["application/json"]


def _drop_foreign_refusals(document: dict[str, Any]) -> None:
    """Take out FastAPI's own 422, which is never answered here."""
    for methods in document["paths"].values():
        for operation in methods.values():
            answer = operation["responses"].get("422", {})
            if "HTTPValidationError" in str(answer):
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"].get("schemas", {}).pop(name, None)
