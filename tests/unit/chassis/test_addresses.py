"""Hosts and addresses: every form that other programs accept is accepted, others are refused."""

import pytest

from chassis import addresses, postgres_settings


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("orders.shop.svc.cluster.local.", "orders.shop.svc.cluster.local."),
        ("my_container", "my_container"),
        ("::", "::"),
        ("::1", "::1"),
        ("[::]", "::"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
    ],
)
def test_a_host_may_be_a_name_or_an_address(text: str, bare: str) -> None:
    assert addresses.host(text) == bare


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "[a]", "[::1", "::1]", ":::", "1.2.3", "1.2.3.256", "-a", "a..b", "é"]
)
def test_an_invalid_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        addresses.host(text)


@pytest.mark.parametrize(("host", "place"), [("::1", "[::1]:80"), ("a", "a:80")])
def test_an_ipv6_address_stands_in_brackets_before_a_port(host: str, place: str) -> None:
    assert addresses.joined(host, 80) == place


@pytest.mark.parametrize(
    "text",
    [
        "ledger:8082",
        "127.0.0.1:8082",
        "[::1]:8082",
        "dns:///ledger:8082",
        "dns:ledger:8082",
        "dns://10.0.0.10/ledger:8082",
        "dns:///[::1]:8082",
        "ipv4:10.0.0.1:1,10.0.0.2:2",
        "ipv6:[::1]:1,[::2]:2",
    ],
)
def test_address_may_have_a_grpc_scheme(text: str) -> None:
    assert addresses.target(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ledger",
        "::1:8082",
        "ledger:0",
        "ledger:65536",
        "ledger:x",
        ":1",
        "http://ledger:1",
        "a b:1",
        "[ledger]:1",
        "ipv4:",
        "ipv6:[::1]:1,",
        "dns:///",
    ],
)
def test_an_address_that_grpc_would_misread_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        addresses.target(text)


@pytest.mark.parametrize(
    "text", ["http://a", "https://vault.example:8200/x", "http://[::1]:8000", "http://10.0.0.1/?a"]
)
def test_a_url_of_http_names_a_host(text: str) -> None:
    assert addresses.http_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "http://",
        "http:///x",
        "ftp://a",
        "http://a:0",
        "http://a:65536",
        "http://a b",
        "http://[::1",
        "http://a\n",
        "http://1.2.3",
    ],
)
def test_invalid_http_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        addresses.http_url(text)


SEVERAL = "postgresql://me:pw@a:5432,b:5433/db"


@pytest.mark.parametrize(
    ("text", "finds_the_primary"),
    [
        ("postgresql://me:pw@a:5432/db", False),
        ("postgres://a/db", False),
        ("postgresql://me@[::1]:5432/db", False),
        ("postgresql:///db?host=/run/postgresql", False),
        ("postgresql://me:p%40w@a/db?sslmode=verify-full&sslrootcert=/ca", False),
        (SEVERAL, True),
        ("postgresql://me@a,b/db", True),
        ("postgresql://me@[::1]:1,[::2]:2/db?sslmode=require", True),
        (f"{SEVERAL}?target_session_attrs=any", False),
    ],
)
def test_primary_of_several_database_hosts_is_chosen(*, text: str, finds_the_primary: bool) -> None:
    assert postgres_settings.checked(text) == text
    assert ("read-write" in postgres_settings.conninfo(text)) is finds_the_primary


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "mysql://hunter2@a/db",
        "postgresql://me:hunter2%zz@a/db",
        "postgresql://me:hunter2@a:0/db",
        "postgresql://me:hunter2@a:65536/db",
        "postgresql://me:hunter2@a:1,b:x/db",
        "postgresql://me:hunter2@a b/db",
        "postgresql://me:hunter2@a/db?hunter2=1",
        "postgresql://me@a/db?sslmode=hunter2",
        "postgresql://me@a,b/db?target_session_attrs=hunter2",
        "postgresql://me:hunter2@[::1/db",
        "postgresql://me:hunter2@1.2.3/db",
    ],
)
def test_an_invalid_database_url_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|has) ") as refused:
        postgres_settings.checked(text)

    assert "hunter2" not in str(refused.value)
