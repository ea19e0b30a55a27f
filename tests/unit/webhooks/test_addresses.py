"""Which addresses a webhook may reach, and which URLs can be registered."""

import ipaddress

import pytest

from kernel.errors import InvalidArgument
from services.webhooks import addresses
from services.webhooks.addresses import Rules, WebhookUrlNotAllowed

PUBLIC = Rules(closed=(ipaddress.ip_network("203.0.114.0/24"), ipaddress.ip_network("2a00:1::/32")))
DEV = Rules(allows_loopback=True)
HOSTILE = (
    # IPv4: private, loopback, link-local with metadata, carriers, multicast, reserved.
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "127.0.0.1", "127.255.255.254", str(ipaddress.IPv4Address(0)), "0.1.2.3",
    "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "203.0.114.7",
    # IPv6: loopback, unspecified, local, multicast, documentation, own.
    "::1", "::", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1",
    "2001:db8::1", "3fff::1", "100::1", "5f00::1", "2a00:1::7",
    # IPv4 in IPv6: mapped, compatible, translated, 6to4, NAT64, Teredo.
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::127.0.0.1",
    "::ffff:0:10.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b::10.0.0.1",
    "64:ff9b::8.8.8.8", "64:ff9b:1::7f00:1", "2001:0:7f00:1::1",
)  # fmt: skip
# How a URL may spell an address without naming it in full.
SPELLED = (
    "2130706433", "0x7f000001", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "017700000001", "127.1",
    "127.0.1", "10.1", "0xA9FEA9FE", "169.254.43518", "0251.0376.0251.0376", "127.0.0.1.",
    "\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127\u30020\u30020\u30021", "%31%32%37.0.0.1",
    "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::1%25lo]", "localhost", "LOCALHOST",
    "localhost.", "a.localhost",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    found = ipaddress.ip_address(text)
    assert not addresses.is_allowed(found, PUBLIC)
    host = f"[{text}]" if found.version == 6 else text
    with pytest.raises(WebhookUrlNotAllowed):
        addresses.target(f"https://{host}/", PUBLIC)


@pytest.mark.parametrize("host", SPELLED)
def test_another_spelling_of_an_address_is_refused(host: str) -> None:
    with pytest.raises(InvalidArgument):
        addresses.target(f"https://{host}/", PUBLIC)


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::8a"])
def test_a_public_address_is_allowed(text: str) -> None:
    assert addresses.is_allowed(ipaddress.ip_address(text), PUBLIC)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://8.8.8.8/",
        "http://127.0.0.1/",
        "https://example.com:22/",
        "https://example.com:8080/",
        "https://example.com/#",
        "https://example.com/#part",
    ],
)
def test_unusual_scheme_port_or_fragment_is_refused(url: str) -> None:
    with pytest.raises(WebhookUrlNotAllowed):
        addresses.target(url, PUBLIC)


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://a.example/", "https://a:b@a.example/", "https://a@a.example/", "https:///"],
)
def test_text_that_is_not_a_url_with_a_host_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        addresses.target(url, PUBLIC)


def test_url_is_parsed_into_its_parts() -> None:
    found = addresses.target("https://bücher.example:8443/a b?c=é".replace(" ", "%20"), PUBLIC)
    assert (found.host, found.port) == ("xn--bcher-kva.example", 8443)
    assert found.path == "/a%20b?c=%C3%A9"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/hook", "http://localhost:3000/", "https://[::1]:1/"]
)
def test_loopback_is_allowed_in_dev_only(url: str) -> None:
    addresses.target(url, DEV)
    with pytest.raises(WebhookUrlNotAllowed):
        addresses.target(url, PUBLIC)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "https://10.0.0.1/", "http://example.com/"])
def test_dev_allows_no_other_address(url: str) -> None:
    with pytest.raises(WebhookUrlNotAllowed):
        addresses.target(url, DEV)
