"""Refusals: each has a kind, a reason, and details that the caller may rely on."""

import pytest

from kernel import errors
from kernel.errors import KINDS, DomainError, FailedPrecondition, InvalidArgument


class OrderNotCancellable(FailedPrecondition):
    """A fact, as a context would define it."""

    reason = "ORDER_NOT_CANCELLABLE"


def test_every_kind_has_one_class_and_is_in_the_table() -> None:
    direct = {cls for cls in DomainError.__subclasses__() if cls.__module__ == errors.__name__}

    assert set(KINDS.values()) == direct
    assert all(KINDS[cls.kind] is cls for cls in direct)


def test_a_refusal_names_its_fact_and_inherits_its_kind() -> None:
    refusal = OrderNotCancellable("too late", details={"currentState": "CLOSED"})

    assert refusal.kind == "FAILED_PRECONDITION"
    assert refusal.reason == "ORDER_NOT_CANCELLABLE"
    assert refusal.details == {"currentState": "CLOSED"}
    assert str(refusal) == "too late"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_explicit_reason_replaces_the_class_reason(kind: str) -> None:
    cls = KINDS[kind]

    assert cls("x", reason="OTHER").reason == "OTHER"
    assert cls.reason != "OTHER"


def test_details_are_a_copy() -> None:
    given = {"a": 1}
    refusal = InvalidArgument("x", fields=[("amount", "is wrong")], details=given)
    given["a"] = 2

    assert refusal.details == {"a": 1}
    assert refusal.fields == (("amount", "is wrong"),)
