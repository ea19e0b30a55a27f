"""Statements on one connection: prepared by libpq, with what is known of each kept.

psycopg's cursor reads a statement's text, looks for its adapters and makes its row type each time
it executes it, which takes longer than the round trip. Our statements are constants, so here this
happens once for each connection. psycopg's own adapters convert the values.
"""

import functools
import re
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

Values = Mapping[str, Any] | Sequence[Any] | None
# A statement is prepared when it has been executed so often on a connection.
PREPARED_AFTER = 2
# The statements kept of a connection, each as often as its parameters had other types. A program
# has fewer; what is beyond is executed without being prepared.
KEPT_MAX = 400
_PARAMETER = re.compile(r"%(?:\((?P<name>\w+)\)s|(?P<unnamed>s)|(?P<percent>%)|.?)", re.DOTALL)
_FINE = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY})


class Wording:
    """A statement's text with its parameters by number. names: of each, None where it has none."""

    __slots__ = ("formats", "names", "text")

    def __init__(self, statement: str) -> None:
        """Read a statement with parameters as psycopg has them: %(name)s or %s; %% is a percent.

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


# As many as a program has, and those of its tests.
wording = functools.lru_cache(maxsize=2048)(Wording)


class Answer:
    """What a statement has answered. Read it before the next statement of its connection."""

    __slots__ = ("_known", "_result")

    def __init__(self, known: "_Known", result: PGresult) -> None:
        self._known = known
        self._result = result

    @property
    def count(self) -> int:
        """Return how many rows the statement returned, or else touched."""
        if self._result.status == ExecStatus.TUPLES_OK:
            return self._result.ntuples
        return self._result.command_tuples or 0

    def rows(self, at_most: int | None = None) -> list[Any]:
        """Return the rows; their columns are attributes. Raises: psycopg.ProgrammingError: none."""
        result, known = self._result, self._known
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
            # Not prepared: the next answer may have other columns.
            known.make = None
        return found


class _Known:
    """A statement with one set of parameter types. name: of the prepared one, empty: it is not."""

    __slots__ = ("loading", "make", "name", "uses")

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self.name = b""
        self.uses = 0
        self.loading = Transformer(connection)
        self.make: Callable[[Sequence[Any]], Any] | None = None


class Statements:
    """The statements that were executed on a connection."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._connection = connection
        self._dumping = Transformer(connection)
        self._known: dict[tuple[str, tuple[int, ...]], _Known] = {}
        self._prepared = 0

    def forget(self) -> None:
        """Forget what was prepared: the server has, too."""
        self._known.clear()

    def executing(self, statement: str, values: Values) -> PQGen[Answer]:
        """Execute a statement, for psycopg's `wait`. Raises: psycopg.Error."""
        pgconn, dumping = self._connection.pgconn, self._dumping
        worded = wording(statement) if values is not None else None
        text = statement.encode() if worded is None else worded.text
        params: Sequence[Any] = ()
        if worded is not None and values is not None:
            params = dumping.dump_sequence(worded.in_order(values), worded.formats)
        types = (dumping.types or ()) if params else ()
        formats = dumping.formats if params else None

        known = self._known.get((statement, types))
        if known is None:
            known = _Known(self._connection)
            if len(self._known) < KEPT_MAX:
                self._known[statement, types] = known
        known.uses += 1
        if not known.name and known.uses > PREPARED_AFTER:
            self._prepared += 1
            name = b"s%d" % self._prepared
            pgconn.send_prepare(name, text, param_types=types)
            _first((yield from generators.execute(pgconn)))
            known.name = name

        if known.name:
            pgconn.send_query_prepared(known.name, params, param_formats=formats)
        elif params:
            pgconn.send_query_params(text, params, param_types=types, param_formats=formats)
        else:
            pgconn.send_query(text)
        return Answer(known, _first((yield from generators.execute(pgconn))))


def _first(results: Sequence[PGresult]) -> PGresult:
    """Return the first result. Raises: psycopg.Error: of any."""
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
        if result.status not in _FINE:
            raise psycopg.ProgrammingError(f"unexpected answer: {result.status}")
    return results[0]


@functools.lru_cache(maxsize=1024)
def _row(names: tuple[bytes, ...]) -> Callable[[Sequence[Any]], Any]:
    """Return what makes rows with these columns. Raises: psycopg.DataError: one is there twice."""
    if len(set(names)) != len(names):
        raise psycopg.DataError(f"a column is there twice: {names}")
    # An expression without a name has an underscore and its place.
    decoded = [name.decode() for name in names]
    row: Any = namedtuple("Row", decoded, rename=True)  # type: ignore[misc] # noqa: PYI024
    make: Callable[[Sequence[Any]], Any] = row._make
    return make
