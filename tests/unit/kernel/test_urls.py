"""Links: those that may be shown to the other party of an order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.urls import InvalidUrl, require_url

# Letters and signs that are invisible.
BLANK = "\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe0f\uffa0\U000e0100"


@pytest.mark.parametrize(
    "text",
    [
        "https://cdn.example.com/evidence/a.png",
        "https://cdn.example.com:8443/a?b=c&d=%20#e",
        "HTTPS://EXAMPLE.COM/",
        "https://xn--bcher-kva.example/",
        "https://bücher.example/ü.pdf",
        "https://[2001:db8::1]/x",
        "https://[2001:db8::1]:8443/x",
        "https://example.com/@someone",
        "https://93.184.216.34/x",
        "https://a-b.c1.example/~x!$&'()*+,;=:@%20?a=[1]#b",
        "https://straße.example/日本語/😀",
        "https://xn--strae-oqa.example/",
        "https://example.com:443",
        "https://" + "a" * 63 + ".example/",
    ],
)
def test_a_link_is_stored_as_sent(text: str) -> None:
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
        'https://e.com/"><img/src=x/onerror=alert(1)>',
        *(f"https://example.com/a{character}b" for character in '"<>\\^`{|}'),
        *(f"https://example.com/a{blank}" for blank in BLANK),
        *(f"https://exam{blank}ple.com/" for blank in BLANK),
        *(
            f"https://example.com/a{character}"
            for character in "\u00a0\u2003\u2028\ue000\U000e0041"
        ),
        "https://.",
        "https://./a",
        "https://.example.com/",
        "https://example..com/",
        "https://example.com./",
        "https://a%00b.com",
        "https://a%2eb.com",
        "https://*",
        "https://*.example.com/",
        "https://a_b.example/",
        "https://-a.example/",
        "https://a-.example/",
        "https://a!b.example/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
        "https://256.1.1.1/",
        "https://1.2.3/",
        "https://0x7f.1/",
        "https://a.0x/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.a]/",
        "https://[::g]/",
        "https://evil[::1]/",
        "https://[::1].evil.example/",
        "https://☃.example/",
        "https://a℀b.example/",
        "https://xn--n3h.example/",
        "https://xn--99999999.example/",
        "https://example.com/" + "a" * 2029,
    ],
)
def test_a_link_that_hides_its_target_is_refused(text: str) -> None:
    with pytest.raises(InvalidUrl) as refusal:
        require_url(text, field="evidence[0]")

    assert refusal.value.fields[0][0] == "evidence[0]"
    assert refusal.value.reason == "INVALID_URL"


HOSTS = st.text(max_size=12) | st.text("xn-.0123456789abf%[]:@é\u200b", max_size=24)


@given(host=HOSTS | HOSTS.map(lambda text: f"xn--{text}.example"), path=st.text(max_size=8))
def test_any_text_is_stored_or_refused(host: str, path: str) -> None:
    text = f"https://{host}/{path}"
    try:
        assert require_url(text, field="url") == text
    except InvalidUrl:
        return
    assert text.isprintable()
    assert not set(text) & set(' "<>\\^`{|}%' if path == "" else ' "<>\\^`{|}')


def test_the_longest_link_has_2048_characters() -> None:
    longest = "https://example.com/" + "a" * 2028

    assert require_url(longest, field="url") == longest
    with pytest.raises(InvalidUrl):
        require_url(longest + "a", field="url")
