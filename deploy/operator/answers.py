"""What a command has to say: lines for people, a document for programs, and how it went."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Exit codes. DONE: all is well. REFUSED: refused, or something was found. WRONG: the command or the
# settings are wrong. AWAY: a service or the database does not answer.
DONE, REFUSED, WRONG, AWAY = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command found or did. document: its shape is in docs/operator.md; times ISO 8601."""

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
    """Say why a command was not carried out: on stderr, and as a document on stdout if asked."""
    warn(f"{name}: {said}")
    document = {"error": {"reason": reason, "message": message}}
    return tell(Answer(lines=[], document=document, exit_code=exit_code), as_json=as_json)


def warn(text: str) -> None:
    """Say on stderr what is no result."""
    sys.stderr.write(f"{text}\n")
