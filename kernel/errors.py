"""Refusals. A domain exception names the fact; its base class names the kind.

DomainError
├── InvalidArgument      a field is invalid, whatever the state
├── Unauthenticated      the caller is unknown
├── PermissionDenied     the caller may not do this
├── NotFound             the thing does not exist for this caller
├── AlreadyExists        the name is taken, or the idempotency key belongs to another request
├── FailedPrecondition   the current state does not allow it
├── Aborted              a conflicting request is in progress; try again
├── ResourceExhausted    too many requests
├── Unavailable          a dependency is unavailable; try again
└── DeadlineExceeded     the time ran out; the outcome is unknown
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class DomainError(Exception):
    """A refusal with a reason code that callers may rely on.

    reason: an UPPER_SNAKE code, documented in the contract of the call.
    details: facts for the caller; values are strings, numbers or lists of strings.
    replayed: the refusal is the stored answer to an earlier attempt of the same request.
    is_final: the caller must not retry automatically.
    """

    kind: ClassVar[str] = ""
    reason: str = "UNKNOWN"
    replayed: bool = False
    is_final: bool = False

    def __init__(
        self,
        message: str = "",
        *,
        reason: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        self.details: dict[str, object] = dict(details or {})


class InvalidArgument(DomainError):
    """A field is invalid. `fields` lists each invalid field with the reason."""

    kind = "INVALID_ARGUMENT"
    reason = "VALIDATION_ERROR"

    def __init__(
        self,
        message: str = "",
        *,
        fields: Sequence[tuple[str, str]] = (),
        reason: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, details=details)
        self.fields = tuple(fields)


class Unauthenticated(DomainError):
    """The request has no credential."""

    kind = "UNAUTHENTICATED"
    reason = "UNAUTHORIZED"


class PermissionDenied(DomainError):
    """The caller may not do this."""

    kind = "PERMISSION_DENIED"
    reason = "PERMISSION_DENIED"


class NotFound(DomainError):
    """The object does not exist, or the caller cannot access it."""

    kind = "NOT_FOUND"
    reason = "NOT_FOUND"


class AlreadyExists(DomainError):
    """The name already exists."""

    kind = "ALREADY_EXISTS"
    reason = "ALREADY_EXISTS"


class FailedPrecondition(DomainError):
    """The current state does not allow this action."""

    kind = "FAILED_PRECONDITION"
    reason = "INVALID_STATE"


class Aborted(DomainError):
    """Another request is in progress. Retry later."""

    kind = "ABORTED"
    reason = "ABORTED"


class ResourceExhausted(DomainError):
    """Too many requests."""

    kind = "RESOURCE_EXHAUSTED"
    reason = "RATE_LIMITED"


class Unavailable(DomainError):
    """A required service is unavailable. It is unknown whether the request had an effect."""

    kind = "UNAVAILABLE"
    reason = "PROVIDER_UNAVAILABLE"


class DeadlineExceeded(DomainError):
    """The time limit was reached. The outcome is unknown; it is not a failure."""

    kind = "DEADLINE_EXCEEDED"
    reason = "PROVIDER_TIMEOUT"


KINDS: Mapping[str, type[DomainError]] = {
    cls.kind: cls
    for cls in (
        InvalidArgument,
        Unauthenticated,
        PermissionDenied,
        NotFound,
        AlreadyExists,
        FailedPrecondition,
        Aborted,
        ResourceExhausted,
        Unavailable,
        DeadlineExceeded,
    )
}
