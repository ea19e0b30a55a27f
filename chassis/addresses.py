"""Hosts, ports and addresses in settings: DNS names, IPv4, IPv6 with or without brackets.

An error never repeats the refused text: it may contain a password.
"""

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

PORT_MAX = 65_535
# Names of containers contain underscores. A full name may end with the dot of the DNS root.
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*):([0-9]{1,5})", re.ASCII)
# The address forms of gRPC: a DNS name (with or without a named DNS server), or a list of
# addresses. Source: gRPC Name Resolution.
_BY_NAME = re.compile(r"dns:(//[^/,]*/)?")
_BY_LIST = re.compile(r"ipv[46]:")


def host(text: str) -> str:
    """Return a host without brackets. Raises: ValueError."""
    has_brackets = text.startswith("[") and text.endswith("]")
    bare = text[1:-1] if has_brackets else text
    labels = bare.removesuffix(".").split(".")
    if has_brackets or ":" in bare:
        is_right = _is_address(ipaddress.IPv6Address, bare)
    elif _NUMBER.fullmatch(labels[-1]):
        is_right = _is_address(ipaddress.IPv4Address, bare)
    else:
        is_right = all(map(_LABEL.fullmatch, labels))
    if not is_right:
        raise ValueError("must be an IP address or a host name")
    return bare


def joined(name: str, port: int) -> str:
    """Return host:port; an IPv6 address is put in brackets. name: without brackets."""
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def target(text: str) -> str:
    """Return an address unchanged if gRPC can call it: host:port, or one of gRPC's own forms.

    Raises: ValueError.
    """
    if listed := _BY_LIST.match(text):
        places = text[listed.end() :].split(",")
    else:
        named = _BY_NAME.match(text)
        places = [text[named.end() :] if named else text]
    for place in places:
        found = _HOST_PORT.fullmatch(place)
        if found is None or not is_port(found[2]):
            raise ValueError("must be host:port, [IPv6]:port or dns:///name:port")
        host(found[1])
    return text


def http_url(text: str) -> str:
    """Return the URL of an HTTP service unchanged. Raises: ValueError: it is not valid."""
    wanted = "must start with http:// or https:// and a host"
    host(url_parts(text, schemes=("http", "https"), wanted=wanted).hostname or "")
    return text


def url_parts(text: str, *, schemes: Collection[str], wanted: str) -> SplitResult:
    """Split a URL. It must have a host; if it has a port, the port must be valid.

    wanted: the text of the error. Raises: ValueError.
    """
    try:
        parts = urlsplit(text)
        has_port = parts.port != 0
    except ValueError:
        raise ValueError(wanted) from None
    if parts.scheme not in schemes or not parts.hostname or not has_port:
        raise ValueError(wanted)
    if re.search(r"\s", text):
        raise ValueError(wanted)
    return parts


def is_port(text: str) -> bool:
    """Return whether a text is a valid port number."""
    return _NUMBER.fullmatch(text) is not None and 0 < int(text) <= PORT_MAX


def _is_address(kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address], text: str) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
