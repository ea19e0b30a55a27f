"""Finds misspelled settings in an environment.

An environment has many variables of other programs. A name is therefore refused only if it nearly
matches one of our settings, or belongs to a family of names that only our programs use.
"""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

# The variables that Kubernetes sets for each service of the namespace ("service links").
_LINK = re.compile(
    r"\w+_SERVICE_(HOST|PORT)(_\w+)?|\w+_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?", re.ASCII
)
_LINK_URL = re.compile(r"(tcp|udp|sctp)://")
# Families that other tools use too: of these, only a near match is refused.
_SHARED = frozenset({"API", "GRPC", "NATS", "OTEL", "STELLAR", "VAULT"})
# Names that other programs read to reach a program, such as `LEDGER_ADDRESS`: not its own settings.
_TOLD = ("_ADDRESS", "_DATABASE_URL", "_NATS_URL", "_EVENT_KEYS")
# OpenSSL's own variables, which nearly match our settings.
_OPENSSL = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR"})
# Short names match too many words, so typos are not searched in them. Longer names allow 1 or 2.
_SHORT, _LONG = 7, 10
# A family is given by the first words of a name.
_FAMILY_WORDS = 2


class Unknown(NamedTuple):
    """A name that is not a setting. meant: the setting that it nearly matches, or ""."""

    name: str
    meant: str


def is_service_link(name: str, value: str) -> bool:
    """Return whether Kubernetes set a variable as a service link, as LEDGER_PORT=tcp://10.0.0.1."""
    is_url = name.endswith("_PORT") and _LINK_URL.match(value) is not None
    return is_url or _LINK.fullmatch(name) is not None


def unknown(
    environment: Mapping[str, str], *, programs: Collection[str], known: Collection[str]
) -> Unknown | None:
    """Return the first variable that is meant for these programs but unknown to them; else None.

    known: names in upper case. Variable names are compared regardless of case.
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
    """Return whether two names differ by at most this many typos.

    A typo is an added, missing, replaced or swapped letter (Damerau 1964).
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
