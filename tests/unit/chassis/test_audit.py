"""The actor in an audit line, and the instant in its id."""

import datetime as dt
import uuid
from dataclasses import replace

import pytest

from chassis.audit import who_acts
from chassis.identity import Identity, operator, system
from chassis.trust import Grant
from kernel.ids import first_id, instant_of, new_id

KEY = Identity(
    caller="gateway", marketplace_id=uuid.UUID(int=1), principal="key:1", role="marketplace"
)
PERSON = replace(KEY, principal="user:2", role="user", user_id=uuid.UUID(int=2))
OUTSIDE = replace(
    system(caller="billing", marketplace_id=uuid.UUID(int=1)),
    grant=Grant(rpcs=frozenset({"ledger.GetBalance"}), scopes=frozenset(), marketplaces="all"),
)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (None, ("clock", "clock")),
        (KEY, ("key:1", "marketplace")),
        (PERSON, ("user:2", "user")),
        (replace(PERSON, role="admin"), ("user:2", "admin")),
        (operator(name="alice", marketplace_id=uuid.UUID(int=1)), ("operator:alice", "operator")),
        (operator(name="", marketplace_id=uuid.UUID(int=1)), ("operator", "operator")),
        (system(caller="orders", marketplace_id=uuid.UUID(int=1)), ("clock", "clock")),
        (OUTSIDE, ("service:billing", "service")),
    ],
    ids=["nobody", "a key", "a person", "an admin", "an operator", "unnamed", "itself", "outside"],
)
def test_a_line_names_who_acts(who: Identity | None, said: tuple[str, str]) -> None:
    assert who_acts(who) == said


def test_an_id_holds_the_instant_at_which_it_was_made() -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
    made = new_id()

    assert before <= instant_of(made) <= dt.datetime.now(dt.UTC)
    assert first_id(instant_of(made)) <= made
    assert made < first_id(instant_of(made) + dt.timedelta(milliseconds=1))


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_every_instant_has_a_first_id(year: int) -> None:
    assert isinstance(first_id(dt.datetime(year, 1, 1, tzinfo=dt.UTC)), uuid.UUID)
