"""Permissions on NATS: one user per program, and event readers, who cannot change anything.

`python -m deploy.local.nats_users` prints the users for a server of your own.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chassis.nats_settings import STREAM, SUBJECTS

ADMIN = "admin"
# The stack's own event reader, used by the demo and for plain subscriptions.
READER = "reader"
# The subjects of each service's outbox.
PUBLISHES = {
    "orders": ("order.*", "offer.*", "user.*", "withdrawal.*"),
    "ledger": ("balance.*",),
    "escrow": ("escrow.*", "wallet.*"),
    "disputes": ("dispute.*",),
    "webhooks": ("webhook.*",),
}
GATEWAY = "gateway"
# The service that follows the whole stream with short-lived consumers of its own.
FOLLOWER = "webhooks"
HOUSE = (*PUBLISHES, GATEWAY, ADMIN, READER)
# The only durable consumer of the programs, and its subject.
DEPOSITS = "ledger-deposits"
DEPOSIT_SUBJECT = "escrow.deposit_confirmed"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)
_API = "$JS.API"


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsUser:
    """One user. publish, subscribe: the allowed subjects; None: all. deny: forbidden subjects."""

    name: str
    password: str = field(repr=False)
    publish: tuple[str, ...] | None = ()
    deny: tuple[str, ...] = ()
    subscribe: tuple[str, ...] | None = ()


def users(passwords: Mapping[str, str], *, readers: Mapping[str, str]) -> list[NatsUser]:
    """Return all users of a server.

    passwords: of the programs in HOUSE, by name. readers: passwords of event readers, by name.
    """
    consumers = (DEPOSITS, READER, *readers)
    services = [_service(name, passwords[name], others=consumers) for name in PUBLISHES]
    return [
        NatsUser(name=ADMIN, password=passwords[ADMIN], publish=None, subscribe=None),
        *services,
        _gateway(passwords[GATEWAY], others=consumers),
        *(
            _reader(name, password)
            for name, password in {READER: passwords[READER], **readers}.items()
        ),
    ]


def check_reader(name: str) -> None:
    """Check a reader's name. Raises: ValueError: a reader cannot have this name."""
    if _NAME.fullmatch(name) is None or name in (*HOUSE, DEPOSITS):
        raise ValueError("must be lower-case letters, digits and dashes, and not a program's name")


def _service(name: str, password: str, *, others: Iterable[str]) -> NatsUser:
    # CREATE: the first service that finds no stream creates it. MSG.GET: a relay reads the stored
    # message when the id of its event is already taken. Neither changes an existing stream.
    stream = tuple(f"{_API}.STREAM.{call}.{STREAM}" for call in ("INFO", "CREATE", "MSG.GET"))
    consumer = _consumer_of(DEPOSITS, makes=True) if name == "ledger" else ()
    follower = _follower() if name == FOLLOWER else ()
    return NatsUser(
        name=name,
        password=password,
        publish=(*PUBLISHES[name], *stream, *consumer, *follower),
        deny=_consumers_of(others) if name == FOLLOWER else (),
        subscribe=(f"_INBOX.{name}.>",),
    )


def _gateway(password: str, *, others: Iterable[str]) -> NatsUser:
    """Return a user who may read with short-lived consumers of its own, and with no others."""
    return NatsUser(
        name=GATEWAY,
        password=password,
        publish=(
            f"{_API}.STREAM.INFO.{STREAM}",
            f"{_API}.STREAM.MSG.GET.{STREAM}",
            *_follower(),
        ),
        deny=_consumers_of(others),
        subscribe=(f"_INBOX.{GATEWAY}.>",),
    )


def _follower() -> tuple[str, ...]:
    """Return the API subjects that reading with short-lived consumers needs."""
    return (
        f"{_API}.CONSUMER.CREATE.{STREAM}",
        *(f"{_API}.CONSUMER.{call}.{STREAM}.>" for call in ("CREATE", "INFO", "DELETE")),
        f"{_API}.CONSUMER.MSG.NEXT.{STREAM}.>",
        f"$JS.ACK.{STREAM}.>",
        "$JS.FC.>",
    )


def _consumers_of(others: Iterable[str]) -> tuple[str, ...]:
    """Return the API subjects that act on the durable consumers of others."""
    return tuple(
        subject
        for name in others
        for subject in (
            f"{_API}.CONSUMER.*.{STREAM}.{name}",
            f"{_API}.CONSUMER.*.{STREAM}.{name}.>",
            f"{_API}.CONSUMER.MSG.NEXT.{STREAM}.{name}",
            f"$JS.ACK.{STREAM}.{name}.>",
        )
    )


def _reader(name: str, password: str) -> NatsUser:
    return NatsUser(
        name=name,
        password=password,
        publish=_consumer_of(name, makes=False),
        subscribe=(*SUBJECTS, f"_INBOX.{name}.>"),
    )


def _consumer_of(durable: str, *, makes: bool) -> tuple[str, ...]:
    """Return the API subjects for reading with a durable consumer and, if `makes`, creating it."""
    creating = f"{_API}.CONSUMER.CREATE.{STREAM}.{durable}.{DEPOSIT_SUBJECT}"
    return (
        f"{_API}.CONSUMER.INFO.{STREAM}.{durable}",
        f"{_API}.CONSUMER.MSG.NEXT.{STREAM}.{durable}",
        f"$JS.ACK.{STREAM}.{durable}.>",
        *((creating, f"{_API}.STREAM.INFO.{STREAM}") if makes else ()),
    )


def configuration(found: Iterable[NatsUser]) -> str:
    """Format users for nats-server's configuration.

    nats-server reads a password that begins with $ as a variable.
    """
    lines = [f"    {_line(user)}" for user in found]
    return "\n".join(["authorization {", "  users = [", *lines, "  ]", "}", ""])


def _line(user: NatsUser) -> str:
    is_variable = user.password.startswith("$")
    password = user.password if is_variable else json.dumps(user.password)
    who = f"user: {json.dumps(user.name)}, password: {password}"
    if user.publish is None:
        return f"{{ {who} }}"
    allowed = {"allow": list(user.publish), "deny": list(user.deny)}
    rights = {"publish": allowed, "subscribe": {"allow": list(user.subscribe or ())}}
    return f"{{ {who}, permissions: {json.dumps(rights)} }}"


def main() -> None:
    """Print the users for a server of your own. The passwords are variables of its environment."""
    passwords = {name: f"$NATS_{name.upper()}" for name in HOUSE}
    sys.stdout.write(configuration(users(passwords, readers={})))


if __name__ == "__main__":
    main()
