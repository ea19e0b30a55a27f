"""Links: what may be shown to the other side of an order."""

import pytest

from kernel.urls import InvalidUrl, require_url


@pytest.mark.parametrize(
    "text",
    [
        "https://cdn.example.com/evidence/a.png",
        "https://cdn.example.com:8443/a?b=c&d=%20#e",
        "HTTPS://EXAMPLE.COM/",
        "https://xn--bcher-kva.example/",
        "https://bücher.example/ü.pdf",
        "https://[2001:db8::1]/x",
        "https://example.com/@someone",
    ],
)
def test_a_link_is_kept_as_it_was_given(text: str) -> None:
    assert require_url(text, field="url") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/a.png",
        "http://example.com/a.png",
        "ftp://example.com/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https:/example.com",
        "https:///path",
        "https://",
        "https://:443/",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://@example.com/",
        "https://good.example\\@evil.example/",
        "https://example.com/a b",
        "https://example.com/a\tb",
        "https://example.com/a\r\nSet-Cookie: x",
        "https://example.com/\x00",
        "https://example.com/\u202egnp.exe",
        "https://exam\u200bple.com/",
        "https://example.com:port/",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://[::1/",
        " https://example.com/",
        "https://example.com/" + "a" * 2029,
    ],
)
def test_a_link_that_hides_where_it_leads_is_refused(text: str) -> None:
    with pytest.raises(InvalidUrl) as refusal:
        require_url(text, field="evidence[0]")

    assert refusal.value.fields[0][0] == "evidence[0]"
    assert refusal.value.reason == "INVALID_URL"


def test_the_longest_link_has_2048_characters() -> None:
    longest = "https://example.com/" + "a" * 2028

    assert require_url(longest, field="url") == longest
    with pytest.raises(InvalidUrl):
        require_url(longest + "a", field="url")
