"""Routes: each is declared once, for serving requests and for the OpenAPI document.

A handler's signature is part of its route. Its second parameter is the model of the body or, for
GET, of the query string. Its return type is the model of the answer.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, get_args, get_type_hints

import pydantic
from pydantic.alias_generators import to_camel
from starlette.routing import compile_path

from gateway import media
from gateway.answers import Answer, CsvFile, EventStream
from gateway.call import Call

Handler = Callable[..., Awaitable[Answer[Any] | CsvFile | EventStream]]
HandlerT = TypeVar("HandlerT", bound=Handler)
Examples = Mapping[str, Mapping[str, Any]]
# The scopes of a route for any credential, and of a route that needs no credential.
ANY, OPEN = "", "open"
GET = "GET"
_LONG = (CsvFile, EventStream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    path: below /api/v1, with placeholders in braces. taken: the model of the body or, for reads, of
    the query string. answer: the model of the answer; None: a stream of events, or a file. is_file:
    the answer is a file. refusals: reasons, for the document. waits: the route honours Prefer, and
    answers 202 while its operation is in progress. previews: the change can be previewed. support:
    people of support may call it. name: in the document; by default the handler's name. examples:
    bodies that succeed, by name. listing: the operation that answers instead of the stream if the
    client asks for JSON. is_logged: its requests are in the request log.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    scope: str
    taken: type[pydantic.BaseModel] | None
    answer: Any
    status: int = 200
    refusals: tuple[str, ...] = ()
    waits: bool = False
    previews: bool = False
    is_file: bool = False
    support: bool = False
    name: str = ""
    examples: Examples = field(default_factory=dict)
    listing: "Operation | None" = None
    is_logged: bool = True

    @property
    def id(self) -> str:
        """The operation's name in the document; generated clients use it."""
        return to_camel(self.name or self.handler.__name__)

    @property
    def changes(self) -> bool:
        """Whether the route makes changes, and therefore honours Idempotency-Key."""
        return self.method != GET

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.answer is None and not self.is_file

    @property
    def is_long(self) -> bool:
        """Whether the answer is sent while it is generated, however long that takes."""
        return self.answer is None

    def negotiated(self, headers: Iterable[tuple[bytes, bytes]]) -> "Operation":
        """Return the operation for a request with these headers: this one, or its listing."""
        if self.listing is None:
            return self
        given = [value.decode("latin-1") for name, value in headers if name == b"accept"]
        return self.listing if media.prefers_json(",".join(given)) else self

    @property
    def body(self) -> type[pydantic.BaseModel] | None:
        """The model of the body."""
        return self.taken if self.changes else None

    @property
    def query(self) -> type[pydantic.BaseModel] | None:
        """The model of the query string."""
        return None if self.changes else self.taken

    @property
    def is_body_optional(self) -> bool:
        """Whether the body may be left out, because none of its fields is required."""
        body = self.body
        return body is None or not any(one.is_required() for one in body.model_fields.values())


@dataclass(slots=True)
class Routes:
    """The routes of one resource. Each file of a view has one `Routes`."""

    tag: str
    is_logged: bool = True
    operations: list[Operation] = field(default_factory=list)

    def get(
        self,
        path: str,
        *,
        scope: str,
        support: bool = False,
        refusals: tuple[str, ...] = (),
        name: str = "",
    ) -> Callable[[HandlerT], HandlerT]:
        """Register a handler for GET; see Operation."""
        return self._add(GET, path, scope=scope, support=support, refusals=refusals, name=name)

    def listing(self, path: str, *, refusals: tuple[str, ...] = ()) -> Callable[..., HandlerT]:
        """Register a handler that answers on a stream's path if the client asks for JSON."""
        [place] = [n for n, one in enumerate(self.operations) if one.path == path and one.streams]

        def register(handler: HandlerT) -> HandlerT:
            stream = self.operations[place]
            listing = self._operation(GET, path, handler, scope=stream.scope, refusals=refusals)
            self.operations[place] = replace(stream, listing=listing)
            return handler

        return register

    def post(
        self,
        path: str,
        *,
        scope: str,
        examples: Examples,
        status: int = 200,
        waits: bool = False,
        previews: bool = False,
        support: bool = False,
        refusals: tuple[str, ...] = (),
    ) -> Callable[[HandlerT], HandlerT]:
        """Register a handler for POST; see Operation."""
        return self._add(
            "POST",
            path,
            scope=scope,
            examples=examples,
            status=status,
            waits=waits,
            previews=previews,
            support=support,
            refusals=refusals,
        )

    def patch(
        self, path: str, *, scope: str, examples: Examples, refusals: tuple[str, ...] = ()
    ) -> Callable[[HandlerT], HandlerT]:
        """Register a handler for PATCH; see Operation."""
        return self._add("PATCH", path, scope=scope, examples=examples, refusals=refusals)

    def delete(
        self, path: str, *, scope: str, refusals: tuple[str, ...] = ()
    ) -> Callable[[HandlerT], HandlerT]:
        """Register a handler for DELETE; see Operation."""
        return self._add("DELETE", path, scope=scope, refusals=refusals)

    def _add(self, method: str, path: str, **rest: Any) -> Callable[[HandlerT], HandlerT]:
        def register(handler: HandlerT) -> HandlerT:
            self.operations.append(self._operation(method, path, handler, **rest))
            return handler

        return register

    def _operation(self, method: str, path: str, handler: Handler, **rest: Any) -> Operation:
        hints = get_type_hints(handler, include_extras=True)
        returned = hints.pop("return")
        taken = [kind for kind in hints.values() if kind is not Call]
        return Operation(
            method=method,
            path=path,
            handler=handler,
            tag=self.tag,
            is_logged=self.is_logged,
            taken=taken[0] if taken else None,
            answer=None if returned in _LONG else get_args(returned)[0],
            is_file=returned is CsvFile,
            **rest,
        )


class Paths:
    """The paths of a view, with the operations of each path by method."""

    def __init__(self, operations: Collection[Operation]) -> None:
        found: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            methods = found.setdefault(operation.path.rstrip("/"), {})
            methods[operation.method] = operation
            # Probes also use HEAD, so reads without a credential answer HEAD too.
            if operation.scope == OPEN and not operation.changes:
                methods["HEAD"] = operation
        self._paths = [
            (compile_path(f"/api/v1{path}")[0], methods) for path, methods in found.items()
        ]

    def find(self, path: str) -> tuple[Mapping[str, Operation], Mapping[str, str]]:
        """Return the operations of a concrete path by method, and the values of its placeholders.

        path: without a trailing slash. If the path is unknown, the operations are empty.
        """
        for pattern, methods in self._paths:
            if (match := pattern.match(path)) is not None:
                return methods, match.groupdict()
        return {}, {}
