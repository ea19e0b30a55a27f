"""The OpenAPI document of a view and its page, which works without any network."""

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import fastapi_offline
import orjson
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from gateway.errors import REASONS
from gateway.routing import OPEN, Operation

ASSETS = Path(fastapi_offline.__file__).parent / "static"
ASSETS_PATH = "/docs/assets"
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


def add_document(
    app: FastAPI,
    *,
    operations: Collection[Operation],
    schemes: dict[str, Any],
    docs_path: str,
    openapi_path: str,
    links: Mapping[str, str] | None = None,
) -> None:
    """Give an app its OpenAPI document and the page that shows it.

    links: name → path of the pages of other views.
    """
    secured = {
        (f"/api/v1{operation.path}", operation.method.lower()): operation.scope
        for operation in operations
        if operation.scope != OPEN
    }

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            _secure(made, secured, schemes)
            _drop_foreign_refusals(made)
            for one in operations:
                if one.streams:
                    _drop_json(made["paths"][f"/api/v1{one.path}"][one.method.lower()])
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # how FastAPI is told of another document
    app.mount(ASSETS_PATH, StaticFiles(directory=ASSETS), name="docs-assets")
    app.add_route(openapi_path, _served(document), include_in_schema=False)
    page = _page(app.title, openapi_path, links or {})
    app.add_route(docs_path, page, include_in_schema=False)


def _served(document: Callable[[], dict[str, Any]]) -> Any:
    # Anybody may ask for it: it is spelled once.
    content = functools.cache(lambda: orjson.dumps(document()))

    async def served(_request: Request) -> Response:
        return Response(content(), media_type="application/json")

    return served


def _page(title: str, openapi_path: str, links: Mapping[str, str]) -> Any:
    shown = get_swagger_ui_html(
        openapi_url=openapi_path,
        title=title,
        swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
    )
    others = " ".join(f'<a href="{path}">{name}</a>' for name, path in links.items())
    content = bytes(shown.body).replace(b"<body>", f"<body><nav>{others}</nav>".encode())

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse(content)

    return page


def _secure(
    document: dict[str, Any], secured: dict[tuple[str, str], str], schemes: dict[str, Any]
) -> None:
    document.setdefault("components", {})["securitySchemes"] = schemes
    for (path, method), scope in secured.items():
        operation = document["paths"][path][method]
        # For keys and tokens, OpenAPI 3.1 lists here what they have to allow.
        operation["security"] = [{name: [scope] if scope else []} for name in schemes]
        if scope:
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
