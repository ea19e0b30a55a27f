"""The addresses that a webhook may reach, and the URLs that can be registered. Pure.

A marketplace chooses the URL, and this program runs inside the operator's network. A URL must not
give access to that network. Names and addresses are brought into one form before they are checked.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from kernel.errors import InvalidArgument
from kernel.urls import InvalidUrl, require_url

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = (443, 8443)
LOCAL = "localhost"
# Characters of a path or query that need no escaping. Source: RFC 3986 §3.3, §3.4.
_SAFE = "/%:@!$&'()*+,;=?~-._[]"
# Addresses that are not public, although some versions of Python's library count them as global.
_CLOSED = tuple(
    map(
        ipaddress.ip_network,
        (
            "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata
            "168.63.129.16/32",  # Azure's platform services, reachable from each machine
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata
            "192.88.99.0/24",  # the relays of 6to4
            "198.18.0.0/15",  # benchmarks
        ),
    )
)
# Contains all public IPv6 addresses. Source: IANA, IPv6 Global Unicast Address Assignments.
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
# Its parts that are not public: protocol assignments with Teredo, 6to4, documentation.
_CLOSED_V6 = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20"))
)


class WebhookUrlNotAllowed(InvalidArgument):
    """Events are sent only to public https URLs: the scheme, port or address is another one."""

    reason = "WEBHOOK_URL_NOT_ALLOWED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """allows_loopback: this machine may be reached, also over http. closed: operator's networks."""

    allows_loopback: bool = False
    closed: Sequence[Network] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The parts of a URL. host: in ASCII, without brackets. path: with the query."""

    scheme: str
    host: str
    port: int
    path: str


def is_allowed(address: Address, rules: Rules) -> bool:
    """Tell whether events may be sent to an address."""
    if rules.allows_loopback and address.is_loopback:
        return True
    if any(address in network for network in rules.closed):
        return False
    if isinstance(address, ipaddress.IPv4Address):
        is_special = address.is_multicast or address.is_reserved or address.is_unspecified
        is_closed = any(address in network for network in _CLOSED)
        return address.is_global and not is_special and not is_closed
    # This excludes addresses that represent IPv4 ones (mapped, compatible, 6to4, NAT64, Teredo).
    return address in _PUBLIC_V6 and not any(address in network for network in _CLOSED_V6)


def target(url: str, rules: Rules) -> Target:
    """Parse and check a webhook's URL. Raises: InvalidUrl: it is no URL; WebhookUrlNotAllowed."""
    is_plain = url.startswith("http://")
    try:
        require_url(f"https://{url.removeprefix('http://')}" if is_plain else url, field="url")
    except InvalidUrl as error:
        raise InvalidUrl(error.message, fields=error.fields) from None
    parts = urlsplit(url)
    host = _ascii((parts.hostname or "").rstrip("."))
    if "#" in url:
        raise _refused("must not have a fragment")
    is_local = host == LOCAL or host.endswith(f".{LOCAL}")
    literal = _literal(host)
    if literal is not None:
        is_local = literal.is_loopback
        if not is_allowed(literal, rules):
            raise _refused("must not name an address that is not public")
    if is_local and not rules.allows_loopback:
        raise _refused("must not name this machine")
    if is_plain and not is_local:
        raise _refused("must start with https://")
    port = parts.port or (80 if is_plain else 443)
    if not is_local and port not in PORTS:
        raise _refused("must have port 443 or 8443")
    path = quote(parts.path or "/", safe=_SAFE)
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=path + query,
    )


def _ascii(host: str) -> str:
    """Return the ASCII form of a host name. Raises: InvalidUrl: that form is not a name."""
    if host.isascii():
        return host
    spelled = host.encode("idna").decode("ascii")
    # Some letters of other scripts become digits, which could turn a name into an address.
    require_url(f"https://{spelled}", field="url")
    if _literal(spelled) is not None:
        problem = "must name a host by a DNS name or an IP address"
        raise InvalidUrl("Invalid URL: url", fields=[("url", problem)])
    return spelled


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refused(problem: str) -> WebhookUrlNotAllowed:
    return WebhookUrlNotAllowed(f"The URL {problem}", fields=[("url", problem)])
