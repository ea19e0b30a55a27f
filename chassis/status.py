"""THE table: kind of refusal ↔ gRPC status, both ways, with google.rpc details.

ErrorInfo carries the reason and the facts, BadRequest the fields, RetryInfo is not used.
"""

import json

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from kernel.errors import KINDS, DeadlineExceeded, DomainError, InvalidArgument, Unavailable

DOMAIN = "orchestrator"
# Values that are no strings (or strings that begin like this) travel as JSON behind this mark.
JSON_MARK = "json:"

# How gRPC's own server refuses a call beyond `maximum_concurrent_rpcs`.
CROWDED = "Concurrent RPC limit exceeded!"
CODES: dict[str, grpc.StatusCode] = {kind: grpc.StatusCode[kind] for kind in KINDS}


class Internal(DomainError):
    """A bug of ours at the other end; nothing is told but the request id."""

    kind = "INTERNAL"
    reason = "INTERNAL_ERROR"


def to_status(error: DomainError) -> status_pb2.Status:
    """Encode a refusal with its reason, details and fields."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    for key, value in error.details.items():
        info.metadata[key] = _text(value)
    details = [_packed(info)]
    if isinstance(error, InvalidArgument) and error.fields:
        bad = error_details_pb2.BadRequest()
        for name, message in error.fields:
            bad.field_violations.add(field=name, description=message)
        details.append(_packed(bad))
    code = code_pb2.Code.Value(error.kind)
    return status_pb2.Status(code=code, message=error.message or error.reason, details=details)


def from_status(status: status_pb2.Status) -> DomainError:
    """Decode a refusal; the kind is kept, the reason is the other side's."""
    kind = KINDS.get(code_pb2.Code.Name(status.code), Internal)
    reason = None
    details: dict[str, object] = {}
    fields: list[tuple[str, str]] = []
    for packed in status.details:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        if packed.Unpack(info):
            reason = info.reason
            # A map has no order on the wire; an answer that is given again must be the same bytes.
            details = {key: _value(text) for key, text in sorted(info.metadata.items())}
        elif packed.Unpack(bad):
            fields = [(v.field, v.description) for v in bad.field_violations]
    if kind is InvalidArgument:
        return InvalidArgument(status.message, fields=fields, reason=reason, details=details)
    return kind(status.message, reason=reason, details=details)


def from_rpc_error(error: grpc.aio.AioRpcError) -> DomainError:
    """Read what a failed call means. A timeout is an unknown outcome, not a failure."""
    status = rpc_status.from_call(error)
    if status is not None:
        return from_status(status)
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("The call took too long; its outcome is unknown")
    if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}:
        return Unavailable("A service is away")
    if error.details() == CROWDED:
        # It is no limit of the client's own.
        return Unavailable("A service has too many calls")
    kind = KINDS.get(error.code().name, Internal)
    return kind(error.details() or "")


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _text(value: object) -> str:
    if isinstance(value, str) and not value.startswith(JSON_MARK):
        return value
    return JSON_MARK + json.dumps(value)


def _value(text: str) -> object:
    if text.startswith(JSON_MARK):
        return json.loads(text[len(JSON_MARK) :])
    return text
