"""JSON-RPC 2.0 errors and the reading of parameters."""

from collections.abc import Mapping
from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

Params = Mapping[str, Any]


class RpcError(Exception):
    """A call that is answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class AnswerLostError(Exception):
    """The call worked, but its answer is to be lost. status: None drops the connection."""

    def __init__(self, status: int | None) -> None:
        super().__init__("answer lost")
        self.status = status


class ServiceDownError(Exception):
    """The call is to be answered with an HTTP status and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def invalid(message: str) -> RpcError:
    """Build the error for invalid parameters."""
    return RpcError(INVALID_PARAMS, message)


def text(params: Params, name: str) -> str:
    """Read a required string. Raises: RpcError."""
    value = params.get(name)
    if not isinstance(value, str):
        raise invalid(f"{name} must be a string")
    return value


def whole(params: Params, name: str, *, default: int, least: int = 0) -> int:
    """Read an optional whole number; null counts as absent. Raises: RpcError."""
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise invalid(f"{name} must be a whole number of at least {least}")
    return value


def mapping(params: Params, name: str) -> Params:
    """Read an optional object; null counts as absent. Raises: RpcError."""
    value = params.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise invalid(f"{name} must be an object")
    return value
