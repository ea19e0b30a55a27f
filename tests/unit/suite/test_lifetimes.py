"""Shared fixtures end after their last user, and their users run one after the other."""

from dataclasses import dataclass, field
from typing import Any

from tests.lifetimes import Lifetimes, ordered


@dataclass(eq=False)
class Fixture:
    """A fake of pytest's fixture object."""

    argname: str
    scope: str = "session"
    baseid: str = "tests"
    is_over: bool = False

    def finish(self, request: object) -> None:
        assert request == "the request of the test that has ended"
        self.is_over = True


@dataclass(eq=False)
class Item:
    """A fake of pytest's test item."""

    nodeid: str
    fixturenames: tuple[str, ...]
    known: dict[str, Fixture]
    _request: str = "the request of the test that has ended"
    session: Any = field(init=False)
    parent: str = "the place of the test"

    def __post_init__(self) -> None:
        self.session = self
        self._fixturemanager = self

    def getfixturedefs(self, name: str, _item: object) -> list[Fixture]:
        return [self.known[name]]


KNOWN = ("stack", "city", "devnet", "postgres_server")


def items(*described: str) -> tuple[list[Any], dict[str, Fixture]]:
    """Make tests from "file: fixture fixture"."""
    known = {name: Fixture(name) for name in KNOWN}
    made: list[Any] = []
    for text in described:
        file, _, names = text.partition(":")
        made.append(Item(f"tests/{file}.py::test", tuple(names.split()), known))
    return made, known


def files(tests: list[Any]) -> list[str]:
    return [test.nodeid.removeprefix("tests/").partition(".")[0] for test in tests]


def test_users_of_one_server_run_one_after_the_other_and_stacks_first() -> None:
    tests, _ = items("a:", "b: devnet", "c: stack", "d: devnet", "e: city", "c:", "f: stack")

    assert files(ordered(tests)) == ["c", "c", "f", "e", "b", "d", "a"]


def test_tests_with_their_own_stacks_run_first() -> None:
    tests, _ = items("a: stack", "b: devnet", "e2e/c:", "e2e/d: stack", "prove/e:")

    assert files(ordered(tests)) == ["e2e/c", "prove/e", "a", "e2e/d", "b"]


def test_long_waiting_tests_run_first() -> None:
    tests, _ = items("a: stack", "integration/chassis/test_silence: postgres_server")

    assert files(ordered(tests)) == ["integration/chassis/test_silence", "a"]


def test_a_server_ends_with_its_last_user() -> None:
    (first, second, third), known = items("a: stack", "b: stack", "c: devnet")
    lifetimes = Lifetimes([first, second, third])

    lifetimes.end(first, second)
    assert not known["stack"].is_over

    lifetimes.end(second, third)
    assert known["stack"].is_over
    assert not known["devnet"].is_over


def test_server_ends_if_its_last_user_runs_on_another_worker() -> None:
    (first, _, third), known = items("a: stack", "b: stack", "c:")
    lifetimes = Lifetimes([first, _, third])

    lifetimes.end(first, third)

    assert known["stack"].is_over


def test_a_server_started_by_a_fixture_lives_as_long_as_the_fixture() -> None:
    (first, second, third), known = items("a: devnet", "b: city", "c:")
    lifetimes = Lifetimes([first, second, third])

    lifetimes.end(first, second)
    assert not known["devnet"].is_over

    lifetimes.end(second, third)
    assert known["devnet"].is_over


def test_fixtures_of_other_scopes_are_left_to_pytest() -> None:
    (first, second), known = items("a: devnet", "b:")
    known["devnet"].scope = "module"

    Lifetimes([first, second]).end(first, second)

    assert not known["devnet"].is_over
