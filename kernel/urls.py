"""Links that users submit. They are stored and shown as text, and never fetched."""

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

from kernel.errors import InvalidArgument

LONGEST = 2048
LONGEST_HOST = 253
# Characters that a URL must escape (RFC 3986 §2) or that would end an HTML attribute. Browsers
# treat a backslash as a slash.
_UNSAFE = frozenset(' "<>\\^`{|}')
# Letters, marks and symbols that are invisible: fillers, joiners, variation selectors.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", re.ASCII)
# Browsers read a host whose last label matches as an IPv4 address, or refuse it.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
_IPV6 = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]*)?", re.ASCII)
_PUNYCODE = "xn--"


class InvalidUrl(InvalidArgument):
    """The link is not an https URL that can be shown to the other side."""

    reason = "INVALID_URL"


def require_url(text: str, *, field: str) -> str:
    """Return the text unchanged if it is an https URL that shows its target.

    Refused: other schemes, more than 2,048 characters, spaces, control and invisible characters,
    characters that must be escaped (quotes, angle brackets, braces, backslashes …), a user name
    before the host, and a host that is neither a DNS name nor an IP address.

    Raises: InvalidUrl: names `field`.
    """
    if problem := _problem(text):
        raise InvalidUrl(f"Invalid URL: {field}", fields=[(field, problem)])
    return text


def _problem(text: str) -> str:
    if len(text) > LONGEST:
        return f"must be at most {LONGEST} characters long"
    # Checked before parsing, because the parser silently drops tabs and line breaks.
    if not _is_visible(text):
        return "must not contain spaces, control characters or invisible characters"
    if not _UNSAFE.isdisjoint(text):
        return 'must not contain any of " < > \\ ^ ` { | }'
    try:
        parts = urlsplit(text)
        return _problem_of(parts, port=parts.port)
    except ValueError:
        return "must be a URL"


def _problem_of(parts: SplitResult, *, port: int | None) -> str:
    if parts.scheme != "https" or not parts.hostname or port == 0:
        return "must start with https:// and a host"
    if "@" in parts.netloc:
        return "must not contain a user name"
    has_brackets = not {"[", "]"}.isdisjoint(parts.netloc)
    if _is_ipv6(parts.netloc) if has_brackets else _is_name(parts.hostname):
        return ""
    return "must name a host by a DNS name or an IP address"


def _is_visible(text: str) -> bool:
    """Return whether every character is visible: not of categories C and Z, and not a blank."""
    return text.isprintable() and " " not in text and _BLANK.search(text) is None


def _is_ipv6(netloc: str) -> bool:
    match = _IPV6.fullmatch(netloc)
    return match is not None and _is_address(ipaddress.IPv6Address, match[1])


def _is_name(host: str) -> bool:
    """Return whether a host is a DNS name, in ASCII or not, or an IPv4 address."""
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _is_address(ipaddress.IPv4Address, host)
    try:
        spelled = [_ascii(label) for label in labels]
    except UnicodeError:
        return False
    return len(".".join(spelled)) <= LONGEST_HOST and all(map(_LABEL.fullmatch, spelled))


def _ascii(label: str) -> str:
    """Encode a label as DNS does. Raises: UnicodeError: it is not a label of a name."""
    shown = label
    if label.lower().startswith(_PUNYCODE):
        shown = label[len(_PUNYCODE) :].encode("ascii").decode("punycode")
    if not shown.isascii() and not (_is_visible(shown) and all(map(_is_letter, shown))):
        raise UnicodeError(label)
    return label if label.isascii() else label.encode("idna").decode("ascii")


def _is_letter(character: str) -> bool:
    """Return whether a name may contain a character: a letter, mark, digit, hyphen (RFC 5892)."""
    return character == "-" or unicodedata.category(character)[0] in "LMN"


def _is_address(kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address], host: str) -> bool:
    try:
        kind(host)
    except ValueError:
        return False
    return True
