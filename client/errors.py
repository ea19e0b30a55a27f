"""What a call can raise. Each documented code has its own class in `codes`."""

from collections.abc import Mapping, Sequence
from typing import Any


class OrchestratorError(Exception):
    """The base of everything that this client raises."""


class ConnectionFailed(OrchestratorError):
    """No answer came, although the request was sent as often as allowed.

    The outcome is unknown. Read the object, or repeat the call with the same idempotency key.
    """


class SignatureInvalid(OrchestratorError):
    """A webhook was not signed with the endpoint's secret, or is too old. Do not believe it."""


class APIError(OrchestratorError):
    """The API refused a request.

    status: of HTTP. code: documented in docs/errors.md. details: facts, by name. fields: each
    invalid field with its message. request_id: the operator finds the request by it.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        details: Mapping[str, Any] | None = None,
        fields: Sequence[Mapping[str, Any]] = (),
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.details = dict(details or {})
        self.fields = list(fields)
        self.request_id = request_id

    def __str__(self) -> str:
        named = f" [{self.request_id}]" if self.request_id else ""
        return f"{self.status} {self.code}: {self.message}{named}"


class InvalidRequest(APIError):
    """The request can never succeed in this form."""


class NotAuthenticated(APIError):
    """The credential is missing, unknown or expired."""


class NotPermitted(APIError):
    """The credential does not allow this."""


class NotFound(APIError):
    """There is no such object, or the caller may not see it."""


class Conflict(APIError):
    """The object's state does not allow this now."""


class RateLimited(APIError):
    """Too many requests."""


class ServerError(APIError):
    """The API or the chain could not answer. The outcome is unknown."""


_OF_STATUS = {
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
}
LOWEST_SERVER_ERROR = 500


def class_of_status(status: int) -> type[APIError]:
    """Return the class for a status that is not a success."""
    if status >= LOWEST_SERVER_ERROR:
        return ServerError
    return _OF_STATUS.get(status, InvalidRequest)
