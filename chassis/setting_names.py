"""Which names of an environment are meant as settings and are none: a slip must not go unseen.

An environment is full of other programs' variables, so a name is refused only where it is nearly
one of ours, or belongs to a family of names that is ours alone.
"""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

# What Kubernetes tells every container of the services beside it ("service links").
_LINK = re.compile(
    r"\w+_SERVICE_(HOST|PORT)(_\w+)?|\w+_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?", re.ASCII
)
_LINK_URL = re.compile(r"(tcp|udp|sctp)://")
# Families that tools of others read from, too: of these a slip of the pen alone is refused.
_SHARED = frozenset({"API", "GRPC", "NATS", "OTEL", "STELLAR", "VAULT"})
# What other programs are told of one: `<PROGRAM>_ADDRESS` is no setting of its own.
_TOLD = ("_ADDRESS", "_DATABASE_URL", "_NATS_URL", "_EVENT_KEYS")
# OpenSSL's own, which are near to ours and mean what they say.
_OPENSSL = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR"})
# Names so short are near to too many words; of longer ones one slip is seen, or two.
_SHORT, _LONG = 7, 10
# A family is what the first words of a name say.
_FAMILY_WORDS = 2


class Unknown(NamedTuple):
    """A name that is no setting. meant: the one that it may stand for, or ""."""

    name: str
    meant: str


def is_service_link(name: str, value: str) -> bool:
    """Tell whether Kubernetes says this of a service: LEDGER_PORT=tcp://10.0.0.1:8082."""
    is_url = name.endswith("_PORT") and _LINK_URL.match(value) is not None
    return is_url or _LINK.fullmatch(name) is not None


def unknown(
    environment: Mapping[str, str], *, programs: Collection[str], known: Collection[str]
) -> Unknown | None:
    """Return the first name that is meant for these programs and that they do not know.

    known: names in upper case. Variables are read whatever their case.
    """
    for given in sorted(environment):
        name = given.upper()
        if name in known or name in _OPENSSL or is_service_link(name, environment[given]):
            continue
        if meant := _meant(name, known):
            return Unknown(given, meant)
        is_ours = any(name.startswith(f"{program.upper()}_") for program in programs)
        if is_ours and not name.endswith(_TOLD):
            return Unknown(given, "")
    return None


def _meant(name: str, known: Collection[str]) -> str:
    words = name.split("_")
    for one in sorted(known):
        its_words = one.split("_")
        slips = 0 if len(one) < _SHORT else 1 if len(one) < _LONG else 2
        if _is_near(name, one, slips) or sorted(words) == sorted(its_words):
            return one
        is_family = (
            len(words) >= _FAMILY_WORDS < len(its_words)
            and words[:_FAMILY_WORDS] == its_words[:_FAMILY_WORDS]
        )
        if is_family and words[0] not in _SHARED:
            return one
    return ""


def _is_near(name: str, other: str, slips: int) -> bool:
    """Tell whether so many slips make one name of the other.

    A slip is a letter more, less, another, or two that changed places (Damerau 1964).
    """
    if abs(len(name) - len(other)) > slips:
        return False
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(name, start=1):
        row = [i]
        for j, its in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != its))
            if before and j > 1 and letter == other[j - 2] and name[i - 2] == its:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1] <= slips
