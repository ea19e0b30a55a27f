"""Settings of PostgreSQL: a URL with one host, or with several hosts of which one accepts writes.

An error never repeats the refused text: it may contain a password.
"""

import re
from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chassis.addresses import PORT_MAX, host, is_port

_POSTGRES = re.compile(r"postgres(ql)?://")
# Values that libpq would refuse only when it connects. Source: PostgreSQL manual, 34.1.2.
_WORDS: Mapping[str, frozenset[str]] = {
    "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
    "target_session_attrs": frozenset(
        {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"}
    ),
}


def checked(text: str) -> str:
    """Return a PostgreSQL URL unchanged. It may name several hosts. Raises: ValueError."""
    if _POSTGRES.match(text) is None:
        raise ValueError("must start with postgresql://")
    parts = _parts(text)
    hosts, ports = parts.get("host", "").split(","), parts.get("port", "").split(",")
    if not all(port == "" or is_port(port) for port in ports):
        raise ValueError(f"must have ports from 1 to {PORT_MAX}")
    if len(ports) not in {1, len(hosts)}:
        raise ValueError("must have one port, or one for each host")
    for name in hosts:
        if name and not name.startswith(("/", "@")):  # otherwise a local socket
            host(name)
    for word, known in _WORDS.items():
        if word in parts and parts[word] not in known:
            raise ValueError(f"has an unknown {word}")
    return text


def conninfo(url: str) -> str:
    """Return libpq's connection string for a URL; libpq then finds the host that accepts writes.

    A URL that sets target_session_attrs itself is left unchanged. url: as `checked` returns it.
    """
    parts = _parts(url)
    if "," not in parts.get("host", "") or "target_session_attrs" in parts:
        return url
    return make_conninfo(url, target_session_attrs="read-write")


def count_hosts(url: str) -> int:
    """Return the number of hosts in a PostgreSQL URL."""
    return _parts(url).get("host", "").count(",") + 1


def _parts(url: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.Error:
        raise ValueError("must be postgresql://role@host:port/database") from None
