"""The address of NATS: forms that other NATS programs accept are valid; others are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.nats_settings import NatsServers, parse


@pytest.mark.parametrize(
    ("text", "urls", "user", "password"),
    [
        ("nats://127.0.0.1:4222", ["nats://127.0.0.1:4222"], "", ""),
        ("nats://nats", ["nats://nats"], "", ""),
        ("nats://nats/", ["nats://nats"], "", ""),
        ("tls://nats.example:4222", ["tls://nats.example:4222"], "", ""),
        ("nats://[::1]:4222", ["nats://[::1]:4222"], "", ""),
        ("nats://a:4222,nats://b:4222", ["nats://a:4222", "nats://b:4222"], "", ""),
        ("nats://a:1, nats://b:2", ["nats://a:1", "nats://b:2"], "", ""),
        ("nats://me:pw@a:1", ["nats://a:1"], "me", "pw"),
        ("nats://me:p%40%3A%2F@a:1", ["nats://a:1"], "me", "p@:/"),
        ("nats://me:pw@a:1,nats://b:2", ["nats://a:1", "nats://b:2"], "me", "pw"),
        ("nats://me:pw@a:1,nats://me:pw@b:2", ["nats://a:1", "nats://b:2"], "me", "pw"),
    ],
)
def test_one_server_or_several_with_one_user_are_read(
    text: str, urls: list[str], user: str, password: str
) -> None:
    assert parse(text) == NatsServers(urls=tuple(urls), user=user, password=password)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "nats://a:1,",
        "hunter2",
        "hunter2:4222",
        "http://hunter2",
        "ws://hunter2:80",
        "nats://",
        "nats://:4222",
        "nats://hunter2:0",
        "nats://hunter2:65536",
        "nats://hunter2:port",
        "nats://hunter2/path",
        "nats://hunter2?x=1",
        "nats://hunter2#x",
        "nats://hun ter2:1",
        "nats://hunter2@a:1",
        "nats://:hunter2@a:1",
        "nats://me:hunter2@a:1,nats://you:hunter2@b:1",
        "nats://me:hunter2@a:1,nats://me:hunter3@b:1",
    ],
)
def test_an_invalid_text_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as refused:
        parse(text)

    assert "hunter2" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_invalid_text_is_refused(text: str) -> None:
    for one in (text, f"nats://{text}", f"nats://{text}@a:1"):
        try:
            parse(one)
        except ValueError as refused:
            assert str(refused).startswith("must ")  # noqa: PT017 - most are refused, not all


def test_replies_use_a_subject_of_their_user_only() -> None:
    assert parse("nats://escrow:pw@a:1").inbox_prefix == "_INBOX.escrow"
    assert parse("nats://a:1").inbox_prefix == "_INBOX"
    assert parse("nats://%3E:pw@a:1").inbox_prefix == "_INBOX"


def test_the_repr_of_an_address_contains_no_password() -> None:
    assert "hunter2" not in repr(parse("nats://me:hunter2@a:1"))
