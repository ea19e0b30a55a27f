"""The status table: every kind of refusal crosses the wire and comes back the same."""

import base64
from urllib.parse import quote

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from chassis.status import CODES, JSON_MARK, Internal, from_rpc_error, from_status, to_status
from kernel.errors import KINDS, DomainError, FailedPrecondition, InvalidArgument


def _foreign() -> status_pb2.Status:
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="quota of a cloud")
    info = error_details_pb2.ErrorInfo(reason="RATE_LIMITED", domain="cloud.example")
    status.details.add().Pack(info)
    return status


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


def test_the_reason_of_the_class_is_the_default() -> None:
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


def test_fault_of_the_called_service_stays_a_fault() -> None:
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
        (grpc.StatusCode.NOT_FOUND, "INTERNAL", "INTERNAL_ERROR"),
        (grpc.StatusCode.INVALID_ARGUMENT, "INTERNAL", "INTERNAL_ERROR"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "INTERNAL", "INTERNAL_ERROR"),
        (grpc.StatusCode.UNIMPLEMENTED, "INTERNAL", "INTERNAL_ERROR"),
        (grpc.StatusCode.UNKNOWN, "INTERNAL", "INTERNAL_ERROR"),
    ],
)
def test_a_call_that_failed_in_transit_is_read_by_its_code(
    code: grpc.StatusCode, kind: str, reason: str
) -> None:
    got: DomainError = from_rpc_error(AsInCall(code, "larger than max (9 vs. 4)"))

    assert (got.kind, got.reason) == (kind, reason)
    assert "larger" not in got.message


@pytest.mark.parametrize(
    "rich",
    [
        to_status(InvalidArgument("Invalid field: x", fields=[("x", "is wrong")])),
        status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="quota of a proxy"),
        _foreign(),
    ],
    ids=["another code", "no details", "another domain"],
)
def test_a_foreign_status_is_a_fault_and_its_text_is_not_passed_on(
    rich: status_pb2.Status,
) -> None:
    got = from_rpc_error(AsInCall(grpc.StatusCode.RESOURCE_EXHAUSTED, rich.message, rich))

    assert isinstance(got, Internal)
    assert rich.message not in got.message


def test_malformed_details_are_a_fault() -> None:
    error = AsInCall(grpc.StatusCode.NOT_FOUND, "x")
    error.trailing_metadata().add("grpc-status-details-bin", b"\xff")

    assert isinstance(from_rpc_error(error), Internal)


@pytest.mark.parametrize("text", ["a", "漢", "\U0001f9fe", "%"])
@pytest.mark.parametrize("count", [1, 20, 1000])
def test_a_refusal_of_any_size_fits_into_trailers(text: str, count: int) -> None:
    sent = to_status(
        InvalidArgument(
            text * 10 * count,
            fields=[(f"{n}.{text * 300}", text * 300) for n in range(count)],
            details={f"{text}{n}": [text * 30] for n in range(count)},
        )
    )
    trailers = len(base64.b64encode(sent.SerializeToString())) + len(quote(sent.message))

    assert trailers < 7500
    got = from_status(sent)
    assert isinstance(got, InvalidArgument)
    assert got.fields[0][0].startswith(f"0.{text}")
    assert got.fields[0][1].startswith(text)
