"""The order of tests, and the lifetimes of shared fixtures: each ends after its last user.

Files that need the same servers run one after the other, files with the most servers first. So a
worker stops its stack after the last test that uses the stack, not at the end of the run.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# A file is sorted by the first of these fixtures that any of its tests uses.
_SERVERS = (
    "own_stack",
    "stack",
    "net_stack",
    "watched_stack",
    "city",
    "own_devnet",
    "devnet",
    "nats_server",
    "own_nats_server",
    "postgres_server",
)
# Fixtures that another fixture requests only while it runs, so pytest does not know them before.
_HIDDEN = {"city": ("devnet",)}
# Tests that start whole stacks or wait long run first, so that they do not prolong the run's end.
_STACKS = ("tests/e2e/", "tests/prove/")
_LONG = ("tests/integration/chassis/test_silence.py",)
# Files that share a stack run on one worker, as if they were one file.
_TOGETHER = {
    "tests/e2e/test_money_document.py": "net_stack",
    "tests/e2e/test_party_money.py": "net_stack",
    "tests/e2e/test_reconciliation.py": "watched_stack",
    "tests/e2e/test_traces.py": "watched_stack",
}


class TogetherScheduling(LoadFileScheduling):  # type: ignore[misc] # xdist ships no types
    """Gives whole files to workers, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        # xdist would run files with the most tests first, and so the slowest files last.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return _TOGETHER.get(file, file)


def ordered(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Sort tests by the servers that their files need; tests of one file stay together."""
    items = list(items)
    ranks: dict[str, int] = {}
    for item in items:
        file = _file(item)
        ranks[file] = min(ranks.get(file, len(_SERVERS)), _rank(item))
    places = {name: place for place, name in enumerate(ranks)}
    return sorted(items, key=lambda item: (ranks[_file(item)], places[_file(item)]))


class Lifetimes:
    """Knows the last test that uses each session fixture."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        self._places: dict[pytest.Item, int] = {}
        self._last: dict[Any, int] = {}
        known: dict[Any, list[Any]] = {}
        for place, item in enumerate(items):
            self._places[item] = place
            for fixture in _session_fixtures(item, known):
                self._last[fixture] = place

    def end(self, item: pytest.Item, following: pytest.Item | None) -> None:
        """Tear down the fixtures that no later test uses. item: the test that has ended.

        Without a following test, the session tears down everything.
        """
        if following is None:
            return
        place = self._places[following]
        for fixture in [known for known, last in self._last.items() if last < place]:
            del self._last[fixture]
            fixture.finish(item._request)  # type: ignore[attr-defined] # tests are functions


def _file(item: pytest.Item) -> str:
    file = item.nodeid.partition("::")[0]
    return _TOGETHER.get(file, file)


def _names(item: pytest.Item) -> set[str]:
    names = set(getattr(item, "fixturenames", ()))
    return names.union(*(_HIDDEN.get(name, ()) for name in names))


def _rank(item: pytest.Item) -> int:
    names = _names(item)
    found = next((rank for rank, name in enumerate(_SERVERS) if name in names), len(_SERVERS))
    is_alone = found == len(_SERVERS) and item.nodeid.startswith(_STACKS)
    return 0 if is_alone or item.nodeid.startswith(_LONG) else found


def _session_fixtures(item: pytest.Item, known: dict[Any, list[Any]]) -> Iterable[Any]:
    """Yield the session fixtures that a test uses. known: the fixtures by name and place."""
    manager: Any = item.session._fixturemanager
    for name in _names(item):
        place = (item.parent, name)
        if place not in known:
            known[place] = [
                fixture
                for fixture in manager.getfixturedefs(name, item) or ()
                if fixture.scope == "session" and fixture.baseid.startswith("tests")
            ]
        yield from known[place]
