"""The answer of a command: lines for people, a document for programs, and the exit code."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Exit codes. DONE: no problem. REFUSED: refused, or a problem was found. WRONG: the command or a
# setting is wrong. AWAY: a service or the database does not answer.
DONE, REFUSED, WRONG, AWAY = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a command. docs/operator.md describes the document; times are ISO 8601."""

    lines: Sequence[str]
    document: Mapping[str, Any]
    exit_code: int = DONE


def tell(answer: Answer, *, as_json: bool) -> int:
    """Print an answer on stdout; returns the exit code."""
    text = json.dumps(answer.document) if as_json else "\n".join(answer.lines)
    if text:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    return answer.exit_code


def tell_failure(
    name: str, *, reason: str, message: str, said: str, exit_code: int, as_json: bool
) -> int:
    """Print why a command failed: on stderr, and with `as_json` as a document on stdout."""
    warn(f"{name}: {said}")
    document = {"error": {"reason": reason, "message": message}}
    return tell(Answer(lines=[], document=document, exit_code=exit_code), as_json=as_json)


def warn(text: str) -> None:
    """Print a line on stderr that is not part of the answer."""
    sys.stderr.write(f"{text}\n")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 account`, `2 accounts`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
