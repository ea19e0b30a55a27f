"""Routes: what a handler needs said once, for serving requests and for the OpenAPI document."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic
from pydantic.alias_generators import to_camel
from starlette.routing import compile_path

from gateway.call import Answer, EventStream

Handler = Callable[..., Awaitable[Answer | EventStream]]
# The scope of a route that any credential may call, and of one that needs none.
ANY, OPEN = "", "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    path: below /api/v1, placeholders in braces. body: model of the body; optional_body: it may be
    left out. answers: status → model. refusals: reasons, for the document. waits: honours Prefer.
    name: in the document; its handler's where it has none. examples: bodies that succeed, by name.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    scope: str
    answers: Mapping[int, Any]
    refusals: tuple[str, ...] = ()
    body: type[pydantic.BaseModel] | None = None
    optional_body: bool = False
    query: type[pydantic.BaseModel] | None = None
    waits: bool = False
    streams: bool = False
    name: str = ""
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The operation's name in the document, which clients are generated from."""
        return to_camel(self.name or self.handler.__name__)

    @property
    def changes(self) -> bool:
        """Whether the route changes something, and so honours Idempotency-Key."""
        return self.method not in {"GET", "HEAD"}


@dataclass(slots=True)
class Routes:
    """The routes of one resource; each file of a view has one."""

    tag: str
    operations: list[Operation] = field(default_factory=list)

    def get(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        """Register a handler for GET."""
        return self._add("GET", path, rest)

    def post(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        """Register a handler for POST; see Operation for what can be said."""
        return self._add("POST", path, rest)

    def delete(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        """Register a handler for DELETE."""
        return self._add("DELETE", path, rest)

    def _add(self, method: str, path: str, rest: Any) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            operation = Operation(method=method, path=path, handler=handler, tag=self.tag, **rest)
            self.operations.append(operation)
            return handler

        return register


class Paths:
    """The paths of a view, and the operations of each by method."""

    def __init__(self, operations: Collection[Operation]) -> None:
        found: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            methods = found.setdefault(operation.path.rstrip("/"), {})
            methods[operation.method] = operation
            # Probes ask with HEAD as well: reads that need no credential answer that too.
            if operation.scope == OPEN and not operation.changes:
                methods["HEAD"] = operation
        self._paths = [
            (compile_path(f"/api/v1{path}")[0], methods) for path, methods in found.items()
        ]

    def find(self, path: str) -> tuple[Mapping[str, Operation], Mapping[str, str]]:
        """Return the operations of a concrete path, and the values of its placeholders.

        path: without a slash at its end. There are no operations where the path is unknown.
        """
        for pattern, methods in self._paths:
            if (match := pattern.match(path)) is not None:
                return methods, match.groupdict()
        return {}, {}
