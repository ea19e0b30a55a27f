"""One call: what is sent, when it is sent again, and what its answer means. No input or output."""

import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from .errors import APIError, ConnectionFailed, ServerError, class_of_status
from .generated.codes import CLASSES

RETRIES: Final = 4
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 8.0
# If the server asks for a longer wait, the caller decides.
LONGEST_RETRY_AFTER_SECONDS: Final = 60.0
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. A change carries its idempotency key, so that it is never done twice."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. headers: by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


def segment(value: str) -> str:
    """Return a value as one segment of a path."""
    return quote(value, safe="")


def reading(path: str, query: Mapping[str, Any]) -> Request:
    """Return a request that changes nothing. A query value that is None is left out."""
    return Request("GET", path, query=_text(query), headers={"Accept": "application/json"})


def changing(
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None,
    idempotency_key: str | None,
    query: Mapping[str, Any] | None = None,
    wait_seconds: int | None = None,
) -> Request:
    """Return a request that changes something.

    idempotency_key: None makes a new one. wait_seconds: how long the server waits for the chain
    before it answers 202 with the object's present state; None: the server's default.
    """
    headers = {"Idempotency-Key": str(uuid.uuid4()) if idempotency_key is None else idempotency_key}
    if wait_seconds is not None:
        headers["Prefer"] = f"wait={wait_seconds}"
    content = None if body is None else json.dumps(body).encode()
    if content is not None:
        headers["Content-Type"] = "application/json"
    return Request(method, path, query=_text(query or {}), content=content, headers=headers)


def pause_before_next(
    outcome: Answer | ConnectionFailed, *, attempt: int, retries: int
) -> float | None:
    """Return how many seconds to wait before a request is sent again; None: do not send it again.

    attempt: how often it has been sent. A request is repeated if no answer came, if the server
    could not answer, and while another request with its idempotency key is in progress.
    """
    if attempt > retries:
        return None
    pause = pause_seconds(attempt)
    if isinstance(outcome, ConnectionFailed):
        return pause
    if outcome.status not in _AGAIN and not _is_key_in_progress(outcome):
        return None
    asked = outcome.headers.get("retry-after", "")
    if asked.isdigit():
        return None if int(asked) > LONGEST_RETRY_AFTER_SECONDS else max(pause, float(asked))
    return pause


def pause_seconds(attempt: int) -> float:
    """Return a pause that doubles with each attempt; half of it is random.

    So clients that failed at the same time do not return at the same time.
    """
    longest: float = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


def result(outcome: Answer | ConnectionFailed) -> Any:
    """Return the decoded body of a success, or None if it has no body.

    Raises: APIError: refused, as the class of its code, or not JSON; ConnectionFailed.
    """
    if isinstance(outcome, ConnectionFailed):
        raise outcome
    try:
        decoded = json.loads(outcome.content) if outcome.content else None
    except (ValueError, RecursionError):
        decoded, is_json = None, False
    else:
        is_json = True
    if outcome.status in _OK and is_json:
        return decoded
    raise _refusal(outcome, decoded if isinstance(decoded, dict) else {})


def data(decoded: Any) -> Any:
    """Return the object in an answer, without the envelope of the marketplace API."""
    return decoded["data"] if isinstance(decoded, dict) and "success" in decoded else decoded


def _refusal(answer: Answer, body: Mapping[str, Any]) -> APIError:
    """Parse a refusal of either API. The answer of a proxy is classified by its status."""
    said = body.get("error", body)
    said = said if isinstance(said, dict) else {}
    code = str(said.get("code", ""))
    details = said.get("details", said.get("detail"))
    details = details if isinstance(details, dict) else {}
    fields = said.get("errors", details.get("fields", ()))
    # If a success cannot be read, its outcome is unknown.
    by_status = ServerError if answer.status in _OK else class_of_status(answer.status)
    kind = CLASSES.get(code.upper(), by_status)
    return kind(
        str(said.get("message", "The answer is not one of Orchestrator's")),
        status=answer.status,
        code=code,
        details=details,
        fields=fields if isinstance(fields, list) else (),
        request_id=answer.headers.get("x-request-id"),
    )


def _is_key_in_progress(answer: Answer) -> bool:
    return answer.status == 409 and b"IDEMPOTENCY_KEY_IN_PROGRESS" in answer.content.upper()  # noqa: PLR2004


def _text(query: Mapping[str, Any]) -> dict[str, str]:
    """Return query values in the form that the API reads."""
    written = {name: value for name, value in query.items() if value is not None}
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in written.items()
    }


def items(answer: Mapping[str, Any]) -> list[Any]:
    """Return the objects of a page of either API."""
    found = answer["data"] if "data" in answer else answer["items"]
    return list(found)


def next_query(query: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the query of the next page, or None at the end.

    The marketplace API pages by a cursor, the party API by an offset.
    """
    if "data" in answer:
        cursor = answer.get("nextCursor")
        return None if cursor is None else {**query, "cursor": cursor}
    offset = int(query.get("offset") or 0) + len(answer["items"])
    is_last = not answer["items"] or offset >= answer["total"]
    return None if is_last else {**query, "offset": offset}
