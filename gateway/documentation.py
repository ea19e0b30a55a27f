"""The OpenAPI document of a view, generated from its routes and their models."""

import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from gateway import events, media, previews
from gateway.errors import REASONS
from gateway.routing import ANY, OPEN, Operation
from kernel.version import VERSION

# Statuses that any route may answer.
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
OK, ACCEPTED, BAD_REQUEST, UNAUTHENTICATED, TOO_MANY = 200, 202, 400, 401, 429
# Statuses that always have Retry-After, and statuses that have it if a retry may succeed.
COME_BACK = frozenset({TOO_MANY, 503, 504})
MAY_COME_BACK = frozenset({409, 502})
# Statuses of refusals that may be stored with an Idempotency-Key and replayed.
KEPT = frozenset({404, 409, 422, 502})
_TEXT = {"type": "string"}
# The fields of one server-sent event. A ping has no id and no data.
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
_REF = "#/components/schemas/{model}"
_Mode = Literal["validation", "serialization"]


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The parts of the document that describe a view as a whole.

    schemes: the ways to send a credential. support_scheme: one more way, for support. tags: the
    groups of routes, with descriptions. failure: the model of a refusal. preview: the model of a
    preview.
    """

    title: str
    description: str
    schemes: Mapping[str, Any]
    tags: Mapping[str, str]
    failure: Any
    preview: Any
    is_party: bool = False
    support_scheme: Mapping[str, Any] = field(default_factory=dict)


def document(about: About, operations: Collection[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document of a view."""
    schemas = _Schemas(operations, also={about.failure, about.preview})
    schemes = {**about.schemes, **about.support_scheme}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        text = inspect.getdoc(one.handler) or ""
        if one.listing is not None:
            text += f"\n\nWith `Accept: {media.JSON}`: {inspect.getdoc(one.listing.handler)}"
        # The scope is text, because `security` may list only OAuth scopes.
        scope = "" if one.scope in {OPEN, ANY} else f"\n\nScope: `{one.scope}`"
        paths.setdefault(f"/api/v1{one.path}", {})[one.method.lower()] = {
            "tags": [one.tag],
            "summary": one.handler.__name__.replace("_", " ").title(),
            "description": text + scope,
            "operationId": one.id,
            **dict(_inputs(one, schemas, is_party=about.is_party)),
            "responses": _responses(one, about, schemas),
            "security": _security(one, about),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "description": about.description,
            "contact": {"name": "The operator of this gateway"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "version": VERSION,
        },
        # The gateway that serves the document is the server that the document describes.
        "servers": [{"url": "/", "description": "This gateway"}],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": schemes},
        "tags": [{"name": name, "description": text} for name, text in about.tags.items()],
    }


def _security(operation: Operation, about: About) -> list[dict[str, Any]]:
    """Return the credentials that a route accepts; one of them is enough."""
    if operation.scope == OPEN:
        return []
    support = about.support_scheme if operation.support else {}
    return [{name: []} for name in (*about.schemes, *support)]


class _Schemas:
    """The JSON schemas of all models of the routes, generated together by pydantic."""

    def __init__(self, operations: Collection[Operation], *, also: Collection[Any]) -> None:
        every = [*operations, *(one.listing for one in operations if one.listing is not None)]
        queries = {one.query for one in every if one.query is not None}
        read = queries | {one.body for one in every if one.body is not None}
        sent = {*also, *(one.answer for one in every if not one.is_long)}
        adapters: list[tuple[Any, _Mode, TypeAdapter[Any]]] = [
            *((model, "validation", TypeAdapter(model)) for model in read),
            *((model, "serialization", TypeAdapter(model)) for model in sent),
        ]
        self._refs, made = TypeAdapter.json_schemas(adapters, ref_template=_REF)
        found = {name: _without_null_defaults(one) for name, one in made["$defs"].items()}
        names = {one: self._refs[one, "validation"]["$ref"].rpartition("/")[2] for one in queries}
        self._queries = {model: found.pop(name) for model, name in names.items()}
        for name, schema in found.items():
            # A generic type has no title of its own: Success_Order_ stands for Success[Order].
            if name.endswith("_"):
                schema["title"] = re.sub(r"_(\w+)_$", r"[\1]", name)
        self.components = dict(sorted(found.items()))

    def of(self, model: Any, mode: _Mode) -> Mapping[str, Any]:
        """Return a model's schema for reading (validation) or for sending (serialization)."""
        return self._refs[model, mode]

    def parameters(self, model: Any) -> Mapping[str, Mapping[str, Any]]:
        """Return the schemas of the parameters of a query string, by name."""
        found: Mapping[str, Mapping[str, Any]] = self._queries[model]["properties"]
        return found


def _without_null_defaults(value: Any) -> Any:
    """Remove `default: null` everywhere: an absent field is not the same as a null field."""
    if isinstance(value, list):
        return [_without_null_defaults(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_null_defaults(one)
        for name, one in value.items()
        if not (name == "default" and one is None)
    }


def _inputs(
    operation: Operation, schemas: _Schemas, *, is_party: bool
) -> Iterator[tuple[str, Any]]:
    """Yield the parameters and the body of an operation."""
    parameters = [
        _parameter("path", name, {"type": "string", "title": name.replace("_", " ").title()})
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    # A list has its own parameters and those of the event stream with the same path.
    query = operation.query if operation.listing is None else operation.listing.query
    if query is not None:
        named = schemas.parameters(query)
        parameters += [_parameter("query", name, one) for name, one in named.items()]
    if operation.changes:
        # Printable ASCII, but not only spaces, because HTTP removes spaces around a value.
        key = {"minLength": 1, "maxLength": 255, "pattern": r"^[ -~]*[!-~][ -~]*$"}
        parameters.append(_header_parameter("Idempotency-Key", key))
    if operation.streams:
        text = "The `id` of the last event received; every later event is sent"
        known = {"pattern": f"^({events.CURSOR})?$"}
        parameters.append(_header_parameter("Last-Event-ID", known, text))
    if operation.waits or operation.previews:
        texts = ["`wait=N` (seconds, at most 60)"] if operation.waits else []
        texts += ["`dry-run`: a preview, as `dryRun=true`"] if operation.previews else []
        parameters.append(_header_parameter("Prefer", {}, "; ".join(texts)))
    # The guide prints the party API's tables of query parameters, without this parameter.
    if operation.previews and not is_party:
        text = "`true`: say what the request would do, and change nothing"
        names = ["true", "false"]
        flag = {"type": "string", "enum": names, "title": "Dry Run", "description": text}
        parameters.append(_parameter("query", previews.PARAMETER, flag))
    if parameters:
        yield "parameters", parameters
    if operation.body is not None:
        content = {
            "schema": schemas.of(operation.body, "validation"),
            "examples": {name: {"value": value} for name, value in operation.examples.items()},
        }
        body = {"content": {"application/json": content}}
        yield "requestBody", body if operation.is_body_optional else {**body, "required": True}


def _parameter(place: str, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    parameter = {"name": name, "in": place, "required": place == "path", "schema": schema}
    text = schema.get("description")
    return parameter if text is None else {**parameter, "description": text}


def _header_parameter(name: str, limits: Mapping[str, Any], text: str = "") -> dict[str, Any]:
    schema = {"anyOf": [{**_TEXT, **limits}, {"type": "null"}], "title": name.title()}
    return _parameter("header", name, {**schema, "description": text} if text else schema)


def _responses(operation: Operation, about: About, schemas: _Schemas) -> dict[str, dict[str, Any]]:
    """Return all statuses that a route may answer, each with its model and headers."""
    answers: dict[int, dict[str, Any]] = {}
    if not operation.is_long:
        schema = schemas.of(operation.answer, "serialization")
        answers[operation.status] = _response("Done", schema)
        if operation.waits:
            text = "Accepted: the operation is still in progress"
            answers[ACCEPTED] = _response(text, schema)
        if operation.previews:
            preview = schemas.of(about.preview, "serialization")
            is_both = operation.status == OK
            answers[OK] = _response(
                "Done, or a preview" if is_both else "A preview",
                {"anyOf": [schema, preview]} if is_both else preview,
            )
    elif operation.is_file:
        answers[OK] = {
            "description": "CSV (RFC 4180), with the names of the fields as its first line",
            "content": {"text/csv": {"schema": _TEXT}},
        }
    else:
        answers[200] = {
            "description": "Server-sent events",
            "content": {media.STREAM: {"schema": _EVENT}},
        }
    if operation.listing is not None:
        schema = schemas.of(operation.listing.answer, "serialization")
        text = f"Server-sent events; with `Accept: {media.JSON}` a page of the list"
        answers[OK]["description"] = text
        answers[OK]["content"][media.JSON] = {"schema": schema}
    by_status: dict[int, list[str]] = {}
    for status, code in sorted(set(_refusals(operation, is_party=about.is_party))):
        by_status.setdefault(status, []).append(f"`{code}`")
    for status, codes in by_status.items():
        answers[status] = _response(", ".join(codes), schemas.of(about.failure, "serialization"))
    return {
        str(status): {**answer, "headers": dict(_headers(operation, status))}
        for status, answer in sorted(answers.items())
    }


def _response(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _headers(operation: Operation, status: int) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "X-Request-Id", _header("The request's own, or a new one")
    if operation.scope != OPEN and status != UNAUTHENTICATED:
        # A request may be refused before its credential is known.
        always = status < BAD_REQUEST or status == TOO_MANY
        limit = _header("Requests a minute", type="integer", required=always)
        yield "X-RateLimit-Limit", limit
        yield "X-RateLimit-Remaining", {**limit, "description": "Requests left"}
    if operation.previews and status == OK:
        applied = _header("`dry-run`: this is a preview", required=operation.status != OK)
        yield "Preference-Applied", applied
    if operation.changes and (status < BAD_REQUEST or status in KEPT):
        yield "Idempotent-Replayed", _header("`true`: answered before", required=False)
    if status == UNAUTHENTICATED:
        yield "WWW-Authenticate", _header("`Bearer`")
    if status in COME_BACK | MAY_COME_BACK:
        yield "Retry-After", _header("Seconds", type="integer", required=status in COME_BACK)


def _header(text: str, *, type: str = "string", required: bool = True) -> dict[str, Any]:  # noqa: A002 - the schema's word
    return {"description": text, "required": required, "schema": {"type": type}}


def _refusals(operation: Operation, *, is_party: bool) -> Iterator[tuple[int, str]]:
    reasons = [*_ALWAYS, *operation.refusals]
    reasons += () if operation.listing is None else operation.listing.refusals
    if operation.scope != OPEN:
        reasons += _WITH_CREDENTIAL
        reasons += _WITH_SCOPE if operation.scope else ()
    if operation.body is not None:
        reasons += _WITH_BODY
    if operation.changes:
        reasons += _WITH_KEY if operation.previews else (*_WITH_KEY, "DRY_RUN_NOT_SUPPORTED")
    for reason in reasons:
        known = REASONS[reason]
        if is_party:
            yield known.party_status or known.status, known.party_code
        else:
            yield known.status, known.code
