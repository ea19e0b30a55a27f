"""Settings of NATS: the servers, the user, and how much the stream keeps."""

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote

from chassis.addresses import url_parts

# The one stream of all events, and its subjects.
STREAM = "ORCHESTRATOR"
SUBJECTS = (
    "order.*",
    "escrow.*",
    "balance.*",
    "dispute.*",
    "offer.*",
    "user.*",
    "wallet.*",
    "withdrawal.*",
    "webhook.*",
)

# The characters of a user's name that can be part of a subject: the user's replies arrive on it.
_TOKEN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsServers:
    """The servers and the user. urls: without user and password. user: "" if none is given."""

    urls: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def has_tls(self) -> bool:
        """Whether every server is reached only over TLS."""
        return all(url.startswith("tls://") for url in self.urls)

    @property
    def inbox_prefix(self) -> str:
        """The prefix of reply subjects. No other user may subscribe to a user's prefix."""
        return f"_INBOX.{self.user}" if _TOKEN.fullmatch(self.user) else "_INBOX"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """How much history the stream keeps; 0: no limit. The outboxes keep all of it.

    days: older events are deleted. gigabytes: a full stream refuses new events, which then wait in
    their outboxes; it deletes no events, because one may be a deposit that is not booked yet.
    replicas: the number of servers that keep a copy.
    """

    days: int = 30
    gigabytes: int = 0
    replicas: int = 1


def parse(text: str) -> NatsServers:
    """Parse `nats://user:password@a:4222,nats://b:4222`. The user is in one URL or in all URLs.

    Raises: ValueError: names the problem but never the text, which contains a password.
    """
    urls: list[str] = []
    users: set[tuple[str, str]] = set()
    for part in text.split(","):
        parts = _split(part.strip())
        if parts.username or parts.password:
            if not (parts.username and parts.password):
                raise ValueError("must have both a user and a password, or neither")
            users.add((unquote(parts.username), unquote(parts.password)))
        urls.append(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    if len(users) > 1:
        raise ValueError("must name the same user and password for every server")
    user, password = users.pop() if users else ("", "")
    return NatsServers(urls=tuple(urls), user=user, password=password)


def _split(url: str) -> SplitResult:
    wanted = "must be nats://host:port, or several separated by commas"
    parts = url_parts(url, schemes=("nats", "tls"), wanted=wanted)
    if any((parts.path.rstrip("/"), parts.query, parts.fragment)):
        raise ValueError(wanted)
    return parts
