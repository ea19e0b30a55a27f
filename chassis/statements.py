"""Statements on one connection, alone or in a pipeline: prepared by libpq, with cached adapters.

psycopg's cursor parses the statement, looks up its adapters and builds its row type at each
execution. This takes longer than the round trip. Our statements are constants, so here all of this
happens once per connection. psycopg's own adapters convert the values.
"""

import functools
import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.adapt import Dumper, PyFormat, Transformer
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult

from chassis.arrays import Array

Values = Mapping[str, Any] | Sequence[Any] | None
# The limit of cached statements per connection, counted per set of parameter types. A program has
# fewer statements; statements above the limit are executed without being prepared.
KEPT_MAX = 400
_PARAMETER = re.compile(r"%(?:\((?P<name>\w+)\)s|(?P<unnamed>s)|(?P<percent>%)|.?)", re.DOTALL)
_FINE = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY})


class Wording:
    """A statement's text with numbered parameters. names: in their order; None: unnamed."""

    __slots__ = ("formats", "names", "text")

    def __init__(self, statement: str) -> None:
        """Parse a statement with psycopg's parameters: %(name)s or %s; %% is a percent sign.

        Raises: psycopg.ProgrammingError.
        """
        numbers: dict[str, int] = {}
        unnamed = 0

        def numbered(found: re.Match[str]) -> str:
            nonlocal unnamed
            if found["percent"]:
                return "%"
            if found["unnamed"]:
                unnamed += 1
                return f"${unnamed}"
            if not found["name"]:
                raise psycopg.ProgrammingError(f"no parameter: {found[0]!r}")
            return f"${numbers.setdefault(found['name'], len(numbers) + 1)}"

        self.text = _PARAMETER.sub(numbered, statement).encode()
        if numbers and unnamed:
            raise psycopg.ProgrammingError("parameters with and without names")
        self.names = None if unnamed else tuple(numbers)
        self.formats = [PyFormat.AUTO] * (unnamed or len(numbers))

    def in_order(self, values: Mapping[str, Any] | Sequence[Any]) -> Sequence[Any]:
        """Return the values in the order of the parameters. Raises: psycopg.ProgrammingError."""
        if isinstance(values, Mapping):
            try:
                return [values[name] for name in self.names or ()]
            except KeyError as missing:
                raise psycopg.ProgrammingError(f"no value for {missing}") from None
        if len(values) != len(self.formats):
            raise psycopg.ProgrammingError(
                f"{len(self.formats)} parameters and {len(values)} values"
            )
        return values


# Enough for all statements of a program and of the tests.
wording = functools.lru_cache(maxsize=2048)(Wording)


class Answer:
    """The answer to a statement. Read it before the connection executes its next statement."""

    __slots__ = ("_known", "_result")

    def __init__(self, known: "_Known", result: PGresult | None = None) -> None:
        self._known = known
        self._result = result

    @property
    def count(self) -> int:
        """Return how many rows the statement returned or, if it returns none, affected."""
        result = self._answered()
        if result.status == ExecStatus.TUPLES_OK:
            return result.ntuples
        return result.command_tuples or 0

    def rows(self, at_most: int | None = None) -> list[Any]:
        """Return the rows, with the columns as attributes.

        Raises: psycopg.ProgrammingError: the statement returns no rows.
        """
        result, known = self._answered(), self._known
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.ProgrammingError("the statement returns no rows")
        loading = known.loading
        loading.set_pgresult(result, set_loaders=known.make is None)
        if known.make is None:
            known.make = _row(tuple(result.fname(n) or b"" for n in range(result.nfields)))
        count = result.ntuples if at_most is None else min(at_most, result.ntuples)
        found = loading.load_rows(0, count, known.make)
        loading.set_pgresult(None, set_loaders=False)
        if not known.name:
            # The statement is not prepared, so its next answer may have other columns.
            known.make = None
        return found

    def take(self, result: PGresult) -> None:
        """Store a result of the server."""
        self._result = result

    def settle(self) -> None:
        """Clean up after the pipeline has ended."""

    def _answered(self) -> PGresult:
        if self._result is None or self._result.status not in _FINE:
            raise psycopg.ProgrammingError("the statement has no answer")
        return self._result


class _Preparation(Answer):
    """The answer to the preparation of a statement."""

    __slots__ = ()

    def settle(self) -> None:
        """If the preparation failed, let the next execution prepare the statement again."""
        if self._result is None or self._result.status not in _FINE:
            self._known.name = b""


class _Known:
    """A statement with one set of parameter types. name: of its prepared form; empty: none yet."""

    __slots__ = ("loading", "make", "name", "uses")

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self.name = b""
        self.uses = 0
        self.loading = Transformer(connection)
        self.make: Callable[[Sequence[Any]], Any] | None = None

    def is_due(self, after: int | None) -> bool:
        """Whether the next execution must prepare it: after so many executions; None: never."""
        return not self.name and after is not None and self.uses > after


class Statements:
    """The cache of the statements that were executed on a connection."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._connection = connection
        self._dumping = Transformer(connection)
        self._known: dict[tuple[str, tuple[int, ...]], _Known] = {}
        self._prepared = 0

    def forget(self) -> None:
        """Forget all prepared statements: the server has dropped them."""
        self._known.clear()

    def executing(self, statement: str, values: Values) -> PQGen[Answer]:
        """Execute a statement, as a generator for psycopg's `wait`. Raises: psycopg.Error."""
        pgconn = self._connection.pgconn
        text, params, types, known = self._read(statement, values)
        if known.is_due(self._connection.prepare_threshold):
            name = self._next_name()
            pgconn.send_prepare(name, text, param_types=types)
            _first((yield from generators.execute(pgconn)))
            known.name = name
        if not known.name and not params:
            pgconn.send_query(text)
        else:
            self._send(known, text, params, types)
        return Answer(known, _first((yield from generators.execute(pgconn))))

    def sending(self, statement: str, values: Values) -> list[Answer]:
        """Send a statement in pipeline mode; returns its pending answers, its own answer last."""
        text, params, types, known = self._read(statement, values)
        answers: list[Answer] = []
        if known.is_due(self._connection.prepare_threshold):
            known.name = self._next_name()
            self._connection.pgconn.send_prepare(known.name, text, param_types=types)
            answers.append(_Preparation(known))
        self._send(known, text, params, types)
        return [*answers, Answer(known)]

    def ending(self, answers: Sequence[Answer]) -> PQGen[None]:
        """End pipeline mode and fill in the answers, as a generator for psycopg's `wait`.

        Raises: psycopg.Error: of the first failed statement. No statement after it was executed.
        """
        pgconn = self._connection.pgconn
        try:
            if not answers:
                return
            pgconn.pipeline_sync()
            yield from generators.send(pgconn)
            failure: psycopg.Error | None = None
            for answer in answers:
                # There is no result if the connection was lost.
                for result in (yield from generators.fetch_many(pgconn)):
                    answer.take(result)
                    if result.status == ExecStatus.FATAL_ERROR and failure is None:
                        failure = psycopg.errors.error_from_result(result, encoding="utf-8")
            yield from generators.fetch_many(pgconn)
            if failure is not None:
                raise failure
        finally:
            for answer in answers:
                answer.settle()
            if pgconn.status == ConnStatus.OK:
                pgconn.exit_pipeline_mode()

    def _read(
        self, statement: str, values: Values
    ) -> tuple[bytes, Sequence[Any], tuple[int, ...], "_Known"]:
        """Return a statement's text, its parameters, their types, and its cache entry."""
        worded = wording(statement) if values is not None else None
        text = statement.encode() if worded is None else worded.text
        params: Sequence[Any] = ()
        if worded is not None and values is not None:
            params = self._dumping.dump_sequence(worded.in_order(values), worded.formats)
        types = (self._dumping.types or ()) if params else ()
        known = self._known.get((statement, types))
        if known is None:
            known = _Known(self._connection)
            if len(self._known) < KEPT_MAX:
                self._known[statement, types] = known
        known.uses += 1
        return text, params, types, known

    def _next_name(self) -> bytes:
        self._prepared += 1
        return b"s%d" % self._prepared

    def _send(
        self, known: _Known, text: bytes, params: Sequence[Any], types: tuple[int, ...]
    ) -> None:
        pgconn, formats = self._connection.pgconn, self._dumping.formats if params else None
        if known.name:
            pgconn.send_query_prepared(known.name, params, param_formats=formats)
        else:
            pgconn.send_query_params(text, params, param_types=types, param_formats=formats)


class Together:
    """Statements that share one round trip, in order; see `Connection.together`."""

    __slots__ = ("_answers", "_connection", "_statements")

    def __init__(self, connection: "psycopg.AsyncConnection[Any]", statements: Statements) -> None:
        self._connection = connection
        self._statements = statements
        self._answers: list[Answer] = []

    def add(self, statement: str, values: Values = None) -> Answer:
        """Send a statement. Its answer can be read after the block. Raises: psycopg.Error."""
        sent = self._statements.sending(statement, values)
        self._answers += sent
        return sent[-1]

    async def __aenter__(self) -> Self:
        await self._connection.lock.acquire()
        try:
            self._connection.pgconn.enter_pipeline_mode()
        except BaseException:
            self._connection.lock.release()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        """Wait for the answers. Raises: psycopg.Error, unless the block itself has failed."""
        try:
            await self._connection.wait(self._statements.ending(self._answers))
        except psycopg.Error:
            if error is None:
                raise
        finally:
            self._connection.lock.release()


def _first(results: Sequence[PGresult]) -> PGresult:
    """Return the first result. Raises: psycopg.Error: any result is an error."""
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
        if result.status not in _FINE:
            raise psycopg.ProgrammingError(f"unexpected answer: {result.status}")
    return results[0]


@functools.lru_cache(maxsize=1024)
def _row(names: tuple[bytes, ...]) -> Callable[[Sequence[Any]], Any]:
    """Return the function that makes rows with these columns.

    Raises: psycopg.DataError: two columns have the same name.
    """
    if len(set(names)) != len(names):
        raise psycopg.DataError(f"a column is there twice: {names}")
    # A column without a name is called by its position, with an underscore.
    decoded = [name.decode() for name in names]
    row: Any = namedtuple("Row", decoded, rename=True)  # type: ignore[misc] # noqa: PYI024
    make: Callable[[Sequence[Any]], Any] = row._make
    return make


class _ArrayDumper(Dumper):
    """Sends an array unchanged: it is already encoded."""

    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj


def _take_arrays() -> None:
    for kind in Array.__subclasses__():
        own = type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.oid})
        psycopg.adapters.register_dumper(kind, own)


_take_arrays()
