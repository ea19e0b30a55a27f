"""The status table: every kind of refusal crosses the wire and comes back the same."""

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from chassis.status import CODES, JSON_MARK, Internal, from_rpc_error, from_status, to_status
from kernel.errors import KINDS, DomainError, FailedPrecondition, InvalidArgument

values = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=30),
    st.integers(),
    st.booleans(),
    st.none(),
    st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=10), max_size=4),
)


class AsInCall(grpc.aio.AioRpcError):
    """A failed call as grpc raises it, without a call."""

    def __init__(
        self, code: grpc.StatusCode, text: str = "", rich: status_pb2.Status | None = None
    ) -> None:
        trailing = grpc.aio.Metadata()
        if rich is not None:
            trailing.add("grpc-status-details-bin", rich.SerializeToString())
        super().__init__(code, grpc.aio.Metadata(), trailing, details=text)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_refusal_comes_back_as_itself(kind: str) -> None:
    sent = KINDS[kind](
        "No.",
        reason="A_REASON",
        details={"orderId": "ord_1", "available": 12, "allowedStates": ["A", "B"], "fresh": True},
    )

    got = from_status(to_status(sent))

    assert type(got) is type(sent)
    assert (got.kind, got.reason, got.message) == (kind, "A_REASON", "No.")
    assert got.details == sent.details


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_the_grpc_code_of_its_name(kind: str) -> None:
    assert CODES[kind] is grpc.StatusCode[kind]
    assert to_status(KINDS[kind]("x")).code == code_pb2.Code.Value(kind)


def test_the_reason_of_the_class_is_sent_where_none_is_given() -> None:
    status = to_status(FailedPrecondition("x"))
    info = error_details_pb2.ErrorInfo()

    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("INVALID_STATE", "orchestrator")


def test_fields_of_an_invalid_argument_come_back_in_order() -> None:
    fields = [("amount", "is not positive"), ("milestones[1].ref", "is missing")]

    got = from_status(to_status(InvalidArgument("Invalid", fields=fields)))

    assert isinstance(got, InvalidArgument)
    assert got.fields == tuple(fields)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=10), values, max_size=5))
def test_details_of_any_shape_come_back_the_same(details: dict[str, object]) -> None:
    assert from_status(to_status(FailedPrecondition("x", details=details))).details == details


def test_a_text_that_looks_like_marked_json_stays_a_text() -> None:
    details: dict[str, object] = {"reason": JSON_MARK + "not json", "other": JSON_MARK + "12"}

    assert from_status(to_status(FailedPrecondition("x", details=details))).details == details


def test_a_refusal_without_a_message_sends_its_reason() -> None:
    assert to_status(FailedPrecondition()).message == "INVALID_STATE"


def test_a_bug_at_the_other_end_stays_a_bug() -> None:
    got = from_status(to_status(Internal("Internal error")))

    assert isinstance(got, Internal)
    assert got.reason == "INTERNAL_ERROR"


@pytest.mark.parametrize("code", [code_pb2.UNKNOWN, code_pb2.DATA_LOSS, code_pb2.UNIMPLEMENTED])
def test_a_status_outside_the_table_is_a_bug(code: int) -> None:
    assert isinstance(from_status(status_pb2.Status(code=code, message="x")), Internal)


def test_a_call_that_failed_with_details_is_the_refusal_that_was_sent() -> None:
    sent = FailedPrecondition("Too late", reason="ORDER_CLOSED", details={"states": ["CLOSED"]})

    error = AsInCall(grpc.StatusCode.FAILED_PRECONDITION, "Too late", to_status(sent))
    got = from_rpc_error(error)

    assert (type(got), got.reason) == (FailedPrecondition, "ORDER_CLOSED")
    assert got.details == {"states": ["CLOSED"]}


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "PROVIDER_TIMEOUT"),
        (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", "PROVIDER_UNAVAILABLE"),
        (grpc.StatusCode.CANCELLED, "UNAVAILABLE", "PROVIDER_UNAVAILABLE"),
        (grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "NOT_FOUND"),
        (grpc.StatusCode.UNIMPLEMENTED, "INTERNAL", "INTERNAL_ERROR"),
        (grpc.StatusCode.UNKNOWN, "INTERNAL", "INTERNAL_ERROR"),
    ],
)
def test_a_call_that_failed_on_the_way_is_told_by_its_code(
    code: grpc.StatusCode, kind: str, reason: str
) -> None:
    got: DomainError = from_rpc_error(AsInCall(code))

    assert (got.kind, got.reason) == (kind, reason)
