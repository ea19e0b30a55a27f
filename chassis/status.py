"""The table of kinds of refusals ↔ gRPC status, in both directions, with google.rpc details.

ErrorInfo has the reason and the details, BadRequest the invalid fields. RetryInfo is not used. A
refusal is sent in trailers, of which gRPC accepts 8 KiB, so long refusals are cut.
"""

import json
from collections.abc import Sequence

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from chassis.telemetry import logger
from kernel.errors import KINDS, DeadlineExceeded, DomainError, InvalidArgument, Unavailable

DOMAIN = "orchestrator"
# A value that is not a string, or that begins with this mark, is sent as the mark and its JSON.
JSON_MARK = "json:"

# Limits in bytes of UTF-8. The status is sent in base64, and its message again percent-encoded.
# Together they stay below the 8 KiB at which gRPC may refuse metadata (grpc.max_metadata_size).
MESSAGE_BYTES, FACTS_BYTES, FIELDS_BYTES = 512, 1536, 1536
FIELD_BYTES, FIELDS_MAX = 256, 20

# The text with which gRPC itself refuses a call beyond `maximum_concurrent_rpcs`.
CROWDED = "Concurrent RPC limit exceeded!"
log = logger()
CODES: dict[str, grpc.StatusCode] = {kind: grpc.StatusCode[kind] for kind in KINDS}


class Internal(DomainError):
    """An internal error. The response contains only the request id."""

    kind = "INTERNAL"
    reason = "INTERNAL_ERROR"


def to_status(error: DomainError) -> status_pb2.Status:
    """Encode a refusal with its reason, details and fields; parts that do not fit are cut."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    left = FACTS_BYTES
    for key, value in error.details.items():
        text = _text(value)
        left -= len(key.encode()) + len(text.encode())
        if left < 0:
            break
        info.metadata[key] = text
    details = [_packed(info)]
    if isinstance(error, InvalidArgument) and error.fields:
        details.append(_packed(_bad_request(error.fields)))
    code = code_pb2.Code.Value(error.kind)
    message = _beginning(error.message or error.reason, MESSAGE_BYTES)
    return status_pb2.Status(code=code, message=message, details=details)


def _bad_request(fields: Sequence[tuple[str, str]]) -> error_details_pb2.BadRequest:
    bad = error_details_pb2.BadRequest()
    left = FIELDS_BYTES
    for name, message in fields[:FIELDS_MAX]:
        field, description = _beginning(name, FIELD_BYTES), _beginning(message, FIELD_BYTES)
        left -= len(field.encode()) + len(description.encode())
        if left < 0:
            break
        bad.field_violations.add(field=field, description=description)
    return bad


def _beginning(text: str, size: int) -> str:
    """Return the beginning of a text, at most this many bytes of UTF-8."""
    whole = text.encode()
    return text if len(whole) <= size else f"{whole[: size - 3].decode(errors='ignore')}…"


def from_status(status: status_pb2.Status) -> DomainError:
    """Decode a refusal, with the kind and the reason that the other side gave."""
    kind = KINDS.get(code_pb2.Code.Name(status.code), Internal)
    reason = None
    details: dict[str, object] = {}
    fields: list[tuple[str, str]] = []
    for packed in status.details:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        if packed.Unpack(info):
            reason = info.reason
            # A map has no order on the wire, but a stored answer must have the same bytes each
            # time.
            details = {key: _value(text) for key, text in sorted(info.metadata.items())}
        elif packed.Unpack(bad):
            fields = [(v.field, v.description) for v in bad.field_violations]
    if kind is InvalidArgument:
        return InvalidArgument(status.message, fields=fields, reason=reason, details=details)
    return kind(status.message, reason=reason, details=details)


def from_rpc_error(error: grpc.aio.AioRpcError) -> DomainError:
    """Return the refusal of a failed call. After a timeout the outcome is unknown.

    A status that our programs did not send says nothing about the request. It becomes an internal
    error, and its text goes only to the log.
    """
    status = _ours(error)
    if status is not None:
        return from_status(status)
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("The call took too long; its outcome is unknown")
    if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}:
        return Unavailable("A service is unavailable")
    if error.details() == CROWDED:
        # The limit of a service, not a rate limit of the client.
        return Unavailable("A service has too many calls")
    log.error("rpc.foreign_status", code=error.code().name, text=str(error.details())[:500])
    return Internal("A call between services failed")


def _ours(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """Return the status that our program sent; None: gRPC or a proxy refused the call."""
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        # gRPC has replaced the original code.
        return None
    info = error_details_pb2.ErrorInfo()
    for packed in status.details if status is not None else ():
        if packed.Is(info.DESCRIPTOR) and packed.Unpack(info) and info.domain == DOMAIN:
            return status
    return None


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _text(value: object) -> str:
    if isinstance(value, str) and not value.startswith(JSON_MARK):
        return value
    return JSON_MARK + json.dumps(value, ensure_ascii=False)


def _value(text: str) -> object:
    if text.startswith(JSON_MARK):
        return json.loads(text[len(JSON_MARK) :])
    return text
