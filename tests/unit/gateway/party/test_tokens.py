"""Access tokens: valid ones are accepted, and every kind of invalid one is refused."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretBytes

from gateway.party.claims import TokenNotValid
from gateway.party.tokens import LEEWAY_SECONDS, Tokens
from gateway.settings import Issuer

from .minting import SECRET, SHARED, SUBJECT, b64, claims, signed, spelled

ED25519 = ed25519.Ed25519PrivateKey.generate()
P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE: dict[str, Any] = {"EdDSA": ED25519, "ES256": P256, "RS256": RSA}


def jwk(private: Any, **more: Any) -> dict[str, Any]:
    """Return the public half of a key as a JWK."""
    algorithm: dict[type, Any] = {
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
    }
    (kind,) = [found for cls, found in algorithm.items() if isinstance(private, cls)]
    public: dict[str, Any] = json.loads(kind.to_jwk(private.public_key()))
    return public | more


def with_keys(folder: Path, algorithm: Any, *keys: dict[str, Any]) -> Tokens:
    """Return a verifier whose issuer has a JWK set in a file."""
    path = folder / "jwks.json"
    path.write_text(json.dumps({"keys": keys}))
    issuer = Issuer(
        issuer="idp", marketplace="demo", audience="orders", algorithm=algorithm, jwks_file=path
    )
    return Tokens([issuer])


async def refused(tokens: Tokens, token: str) -> str:
    with pytest.raises(TokenNotValid) as caught:
        await tokens.verify(token)
    assert caught.value.reason == "INVALID_TOKEN"
    return caught.value.message


@pytest.fixture
def tokens() -> Tokens:
    """A verifier of one issuer with a shared secret."""
    return Tokens([SHARED])


async def test_a_valid_token_identifies_its_caller(tokens: Tokens) -> None:
    found = await tokens.verify(signed(claims()))

    assert (found.issuer, found.subject, found.role) == (SHARED, SUBJECT, "user")


async def test_the_role_makes_an_admin(tokens: Tokens) -> None:
    assert (await tokens.verify(signed(claims(role="admin")))).role == "admin"


class FromNow(int):
    """Seconds after the test's start, because a test may run long after its collection."""


def at_run_time(said: dict[str, Any]) -> dict[str, Any]:
    """Replace relative times by absolute times."""
    now = int(time.time())
    return {k: now + int(v) if isinstance(v, FromNow) else v for k, v in said.items()}


@pytest.mark.parametrize(
    "said",
    [
        {"nbf": FromNow(-5), "jti": "a"},
        {"aud": ["others", "orders"]},
        {"exp": FromNow(20 - LEEWAY_SECONDS)},
        {"iat": FromNow(LEEWAY_SECONDS - 20)},
        {"iat": 1_700_000_000.5},
        {"sub": str(SUBJECT).upper()},
        {"azp": "web", "scope": "write openid", "sid": "s", "email": "a@b.example"},
        {"user_id": "somebody else", "marketplace": "another", "admin": True},
        {"role": "authenticated"},
        {"role": "Admin"},
        {"role": ["user"]},
        {"role": ""},
        {"role": {"admin": True}},
        {"roles": ["admin"], "scope": "admin"},
        {"deep": [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]},
        {"tenant": 2**63, "numbers": [2**70, -(2**64), 0.1]},
    ],
    ids=str,
)
async def test_a_valid_token_may_have_other_claims(tokens: Tokens, said: dict[str, Any]) -> None:
    found = await tokens.verify(signed(claims(**at_run_time(said))))

    assert (found.subject, found.role, found.marketplace) == (SUBJECT, "user", "demo")


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat"])
async def test_a_required_claim_may_not_be_missing(tokens: Tokens, name: str) -> None:
    await refused(tokens, signed(claims(**{name: None})))


@pytest.mark.parametrize(
    "said",
    [
        {"iss": "another"},
        {"iss": ["idp"]},
        {"aud": "others"},
        {"aud": []},
        {"sub": ""},
        {"sub": "a" * 256},
        {"sub": [str(SUBJECT)]},
        {"aud": ["orders", 5]},
        {"aud": {"orders": True}},
        {"exp": FromNow(-LEEWAY_SECONDS - 5)},
        {"iat": FromNow(LEEWAY_SECONDS + 30)},
        {"nbf": FromNow(LEEWAY_SECONDS + 30)},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": 2**50},
        {"iat": "0"},
        {"iat": -1},
        {"iat": True},
        {"jti": 5},
    ],
    ids=str,
)
async def test_a_wrong_claim_is_refused(tokens: Tokens, said: dict[str, Any]) -> None:
    await refused(tokens, spelled(json.dumps(claims(**at_run_time(said))).encode()))


async def test_a_number_as_subject_is_refused(tokens: Tokens) -> None:
    await refused(tokens, spelled(json.dumps(claims(sub=5)).encode()))


async def test_a_token_that_is_too_long_is_refused(tokens: Tokens) -> None:
    assert (await tokens.verify(signed(claims(jti="a" * 5000)))).subject == SUBJECT

    await refused(tokens, signed(claims(jti="a" * 8000)))


async def test_an_expired_token_is_refused(tokens: Tokens) -> None:
    stale = signed(claims(exp=int(time.time()) - LEEWAY_SECONDS - 5))

    assert await refused(tokens, stale) == "The access token has expired"


@pytest.mark.parametrize("name", ["sub", "role", "exp", "iss"])
async def test_a_duplicate_claim_is_refused(tokens: Tokens, name: str) -> None:
    text = json.dumps(claims(role="admin"))
    assert (await tokens.verify(spelled(text.encode()))).role == "admin"

    doubled = f'{text[:-1]}, "{name}": {json.dumps(claims(role="admin")[name])}}}'

    await refused(tokens, spelled(doubled.encode()))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": None},
        {"crit": ["exp"], "exp": 9_999_999_999},
        {"b64": False},
        {"typ": "JWE"},
        {"typ": "dpop+jwt"},
        {"typ": "logout+jwt"},
        {"typ": {}},
        {"typ": ["JWT"]},
        {"typ": None},
        {"kid": 5},
        {"kid": "a" * 300},
        {"kid": ["a"]},
    ],
    ids=str,
)
async def test_a_token_with_crit_is_refused(tokens: Tokens, header: dict[str, Any]) -> None:
    text = json.dumps({"alg": "HS256", "typ": "JWT"} | header)

    await refused(tokens, spelled(json.dumps(claims()).encode(), text.encode()))


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"], "x5t": "a", "x5t#S256": "a"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"cty": "JWT"},
        {"nonce": "a", "deep": [[[1]]]},
        {"typ": "AT+JWT"},
        {"typ": "application/at+jwt"},
        {"typ": "application/jwt"},
        {"serial": 2**70},
        {"typ": "jwt"},
    ],
    ids=str,
)
async def test_other_fields_of_a_token_header_are_ignored(
    tokens: Tokens, header: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpx, "AsyncClient", None)  # nothing is fetched
    text = json.dumps({"alg": "HS256", "typ": "JWT"} | header).encode()
    good = spelled(json.dumps(claims()).encode(), text)

    assert (await tokens.verify(good)).subject == SUBJECT

    signing = good.rpartition(".")[0]
    own = hmac.digest(b"\x00\x00\x00", signing.encode(), hashlib.sha256)
    await refused(tokens, f"{signing}.{b64(own)}")


@pytest.mark.parametrize("kid", ["key-1", "../../dev/null", "' or 1=1 --", "https://evil.example"])
async def test_kid_is_ignored_with_a_shared_secret(tokens: Tokens, kid: str) -> None:
    assert (await tokens.verify(signed(claims(), kid=kid))).subject == SUBJECT


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "HS384", "RS256", "", None])
async def test_algorithm_is_the_issuers_and_not_the_tokens(
    tokens: Tokens, algorithm: str | None
) -> None:
    header = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
    token = spelled(json.dumps(claims()).encode(), header)

    await refused(tokens, token)
    await refused(tokens, token.rpartition(".")[0] + ".")


async def test_a_duplicate_header_field_is_refused(tokens: Tokens) -> None:
    header = b'{"alg":"HS256","alg":"HS256"}'

    await refused(tokens, spelled(json.dumps(claims()).encode(), header))


async def test_a_stronger_hash_than_agreed_is_refused(tokens: Tokens) -> None:
    await refused(tokens, jwt.encode(claims(), SECRET * 2, algorithm="HS512"))


async def test_another_secret_is_refused(tokens: Tokens) -> None:
    await refused(tokens, jwt.encode(claims(), b"another secret of thirty-two bytes!", "HS256"))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-2],
        lambda t: t + "A",
        lambda t: t + ".",
        lambda t: t + "=",
        lambda t: f"{t}\n",
        lambda t: t.replace(".", "", 1),
        lambda t: t.upper(),
        lambda _: "",
        lambda _: "..",
        lambda _: "a.b.c",
        lambda t: t + "." + t,
        lambda t: "é" + t,
        lambda t: t * 1000,
        lambda _: "e" * 1_000_000,
        lambda _: "eyJ." * 400_000,
    ],
)
async def test_a_text_that_is_not_a_token_is_refused(tokens: Tokens, change: Any) -> None:
    await refused(tokens, change(signed(claims())))


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b"1", b'"x"', b"{", b"\xff", b'{"iss":"idp"', b'{"exp":NaN}']
)
async def test_a_payload_that_is_not_an_object_is_refused(tokens: Tokens, payload: bytes) -> None:
    await refused(tokens, spelled(payload))


async def test_another_spelling_of_the_same_signature_is_refused(tokens: Tokens) -> None:
    signing, _, signature = signed(claims()).rpartition(".")
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # The last two bits of the last digit mean nothing.
    other = signature[:-1] + digits[digits.index(signature[-1]) + 1]
    assert base64.urlsafe_b64decode(other + "=") == base64.urlsafe_b64decode(signature + "=")

    await refused(tokens, f"{signing}.{other}")


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
async def test_no_token_survives_a_changed_bit(at: int, bit: int) -> None:
    token = signed(claims()).encode()
    place = at % len(token)
    changed = bytearray(token)
    changed[place] ^= 1 << bit

    await refused(Tokens([SHARED]), bytes(changed).decode("latin-1"))


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
async def test_a_token_signed_with_a_key_of_the_issuers_set_is_valid(
    tmp_path: Path, algorithm: str
) -> None:
    private = PRIVATE[algorithm]
    tokens = with_keys(tmp_path, algorithm, jwk(private, kid="k1"))

    named = jwt.encode(claims(), private, algorithm=algorithm, headers={"kid": "k1"})
    unnamed = jwt.encode(claims(), private, algorithm=algorithm)
    stranger = jwt.encode(claims(), private, algorithm=algorithm, headers={"kid": "k2"})

    assert (await tokens.verify(named)).subject == SUBJECT
    assert (await tokens.verify(unnamed)).subject == SUBJECT
    await refused(tokens, stranger)


async def test_token_must_name_its_key_if_the_set_has_several(tmp_path: Path) -> None:
    other = ed25519.Ed25519PrivateKey.generate()
    tokens = with_keys(tmp_path, "EdDSA", jwk(ED25519, kid="k1"), jwk(other, kid="k2"))

    assert await tokens.verify(
        jwt.encode(claims(), other, algorithm="EdDSA", headers={"kid": "k2"})
    )
    await refused(tokens, jwt.encode(claims(), other, algorithm="EdDSA", headers={"kid": "k1"}))
    await refused(tokens, jwt.encode(claims(), other, algorithm="EdDSA"))


async def test_a_public_key_is_not_used_as_a_shared_secret(tmp_path: Path) -> None:
    tokens = with_keys(tmp_path, "RS256", jwk(RSA, kid="k1"))
    public = json.dumps(jwk(RSA, kid="k1")).encode()
    header = b'{"alg":"HS256","typ":"JWT","kid":"k1"}'
    signing = f"{b64(header)}.{b64(json.dumps(claims()).encode())}"

    forged = f"{signing}.{b64(hmac.digest(public, signing.encode(), hashlib.sha256))}"

    await refused(tokens, forged)


async def test_each_issuer_has_its_own_key() -> None:
    other = SHARED.model_copy(
        update={"issuer": "other", "key": SecretBytes(b"the secret of the other issuer, long")}
    )
    tokens = Tokens([SHARED, other])
    assert (await tokens.verify(signed(claims()))).issuer is SHARED

    await refused(tokens, signed(claims(iss="other")))


async def test_without_issuers_every_token_is_refused() -> None:
    await refused(Tokens([]), signed(claims()))
