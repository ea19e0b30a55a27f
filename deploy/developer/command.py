"""What developers' commands share: the connection, how they print, and their exit codes."""

import functools
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from client import Marketplace, errors
from deploy.developer import settings
from deploy.developer.settings import NoPlaceError, Place
from deploy.operator.answers import AWAY, REFUSED, WRONG, Answer, tell, tell_failure, warn

Do = Callable[..., Answer]
# The answer of a command that has already printed all of its output.
SHOWN = Answer(lines=[], document={})


class RefusedError(Exception):
    """The command cannot be carried out in this place. reason: a code for programs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LateError(Exception):
    """An expected change did not happen in time; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The API with the caller's key. place: the gateway and the key."""

    api: Marketplace
    place: Place
    as_json: bool

    def show(self, line: str, document: Mapping[str, Any]) -> None:
        """Print one line of an answer that is printed continuously."""
        sys.stdout.write(f"{json.dumps(document) if self.as_json else line}\n")
        sys.stdout.flush()

    def progress(self, line: str) -> None:
        """Print progress, which is not part of the answer."""
        warn(line)


def calling(name: str, *, about: str) -> Callable[[Do], click.Command]:
    """Make a command from a function that calls the API: (session, **options) → Answer.

    about: the command's help text.
    """

    def made(do: Do) -> click.Command:
        def in_session(*, as_json: bool, **given: Any) -> Answer:
            place = settings.load()
            with Marketplace(place.api_key, base_url=place.url) as api:
                return do(Session(api=api, place=place, as_json=as_json), **given)

        return _command(name, about, functools.update_wrapper(in_session, do))

    return made


def answering(name: str, *, about: str) -> Callable[[Do], click.Command]:
    """Make a command from a function that connects by itself: (**options) → Answer."""

    def made(do: Do) -> click.Command:
        def alone(*, as_json: bool, **given: Any) -> Answer:  # noqa: ARG001 - the answer knows both
            return do(**given)

        return _command(name, about, functools.update_wrapper(alone, do))

    return made


def _command(name: str, about: str, ask: Callable[..., Answer]) -> click.Command:
    def run(*, as_json: bool, **given: Any) -> int:
        try:
            answer = ask(as_json=as_json, **given)
            return answer.exit_code if answer is SHOWN else tell(answer, as_json=as_json)
        except (NoPlaceError, RefusedError, LateError, errors.OrchestratorError) as error:
            return _failed(error, as_json=as_json)

    said = about.removeprefix(f"`{name}`: ")
    shown = click.command(name, help=said[0].upper() + said[1:])
    printed = click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")
    return shown(printed(functools.update_wrapper(run, ask)))


def _failed(error: Exception, *, as_json: bool) -> int:
    """Print why a command failed; returns the exit code."""
    reason, message, exit_code = "NO_ANSWER", str(error), AWAY
    if isinstance(error, NoPlaceError):
        reason, exit_code = "NO_PLACE", WRONG
    elif isinstance(error, RefusedError):
        reason, exit_code = error.reason, REFUSED
    elif isinstance(error, LateError):
        reason = "NOT_IN_TIME"
    elif isinstance(error, errors.APIError):
        reason, message = error.code or str(error.status), _message(error)
        exit_code = AWAY if isinstance(error, errors.ServerError) else REFUSED
    said = f"{reason}: {message}" if exit_code != WRONG else message
    name = click.get_current_context().command_path
    return tell_failure(
        name, reason=reason, message=message, said=said, exit_code=exit_code, as_json=as_json
    )


def _message(error: errors.APIError) -> str:
    """Return the API's message, with the invalid fields and the request id."""
    fields = [f"{one.get('field')}: {one.get('message')}" for one in error.fields]
    named = [f"[{error.request_id}]"] if error.request_id else []
    return " ".join([error.message, *(f"({one})" for one in fields), *named])
