"""Request keys: what makes a request the same request."""

import uuid
from collections.abc import Iterator

import pytest
from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from chassis.idempotency import request_key
from chassis.identity import Identity
from kernel.errors import Unauthenticated

MARKETPLACE, USER = uuid.UUID(int=1), uuid.UUID(int=2)
# Field 1000, a varint, as no message of ours has it.
NEWER_FIELD = b"\xc0\x3e\x07"


def who(**changes: object) -> Identity:
    """A marketplace's key holder, changed as asked."""
    fields: dict[str, object] = {
        "caller": "gateway",
        "marketplace_id": MARKETPLACE,
        "principal": "key:1",
        "role": "marketplace",
    }
    return Identity(**(fields | changes))  # type: ignore[arg-type] # by name, for the tests' ease


@pytest.fixture(autouse=True)
def calling() -> Iterator[None]:
    """A request of the key holder is being served."""
    identity.bind(who())
    yield
    identity.bind(None)


def a_request(**changes: object) -> orders_pb2.CancelOrderRequest:
    fields: dict[str, object] = {"request_id": "k-1", "order_id": "o-1", "reason": "late"}
    return orders_pb2.CancelOrderRequest(**(fields | changes))  # type: ignore[arg-type] # the same


def test_the_same_request_has_the_same_key() -> None:
    assert request_key(a_request()) == request_key(a_request())


def test_another_content_has_another_fingerprint_under_the_same_key() -> None:
    first, second = request_key(a_request()), request_key(a_request(reason="later"))

    assert first.key == second.key
    assert first.fingerprint != second.fingerprint


def test_the_request_id_is_not_part_of_the_fingerprint() -> None:
    assert (
        request_key(a_request()).fingerprint == request_key(a_request(request_id="k-2")).fingerprint
    )


def test_the_wait_time_is_not_part_of_the_fingerprint() -> None:
    user = "01890a5d-ac96-774b-bcce-b302099a8057"
    patient, hasty = (
        escrow_pb2.CreateWalletRequest(request_id="k-1", user_id=user, wait_seconds=seconds)
        for seconds in (20, 0)
    )

    assert request_key(patient) == request_key(hasty)


def test_a_field_of_a_newer_version_is_not_part_of_the_fingerprint() -> None:
    request = a_request()
    newer = type(request).FromString(request.SerializeToString() + NEWER_FIELD)
    assert newer != request

    assert request_key(newer) == request_key(request)


def test_another_call_with_the_same_fields_has_another_fingerprint() -> None:
    cancel = orders_pb2.CancelOrderRequest(request_id="k-1", order_id="o-1")
    fund = orders_pb2.FundEscrowRequest(request_id="k-1", order_id="o-1")

    assert request_key(cancel).fingerprint != request_key(fund).fingerprint


def test_a_given_fingerprint_of_the_http_request_is_used() -> None:
    assert request_key(a_request(fingerprint=b"f" * 32)).fingerprint == b"f" * 32


def test_an_idempotency_key_belongs_to_its_marketplace_or_user() -> None:
    of_marketplace = request_key(a_request())
    identity.bind(who(role="user", user_id=USER))
    of_person = request_key(a_request())
    identity.bind(who(marketplace_id=uuid.UUID(int=9)))
    of_other = request_key(a_request())

    assert (of_marketplace.scope, of_person.scope) == ("", str(USER))
    assert of_other.marketplace_id != of_marketplace.marketplace_id


def test_without_an_identity_there_is_no_key() -> None:
    identity.bind(None)

    with pytest.raises(Unauthenticated):
        request_key(a_request())
