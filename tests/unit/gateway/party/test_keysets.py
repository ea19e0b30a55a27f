"""JWK sets: which of their keys are used for an issuer's algorithm."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.party.keysets import KeySetNotUsableError, read_keys

from .test_tokens import P256, RSA, jwk


@pytest.mark.parametrize(
    "more",
    [
        {"use": "enc"},
        {"alg": "PS256"},
        {"key_ops": ["sign"]},
        {"kty": "EC"},
        {"kid": 7},
        {"d": "AQAB"},
    ],
    ids=str,
)
def test_a_key_for_another_use_is_not_used(more: dict[str, Any]) -> None:
    good = jwk(RSA, kid="good")
    raw = json.dumps({"keys": [good, {**jwk(RSA), **more}]}).encode()

    assert list(read_keys(raw, algorithm="RS256")) == ["good"]


@pytest.mark.parametrize(
    "broken",
    [
        {"kty": "RSA"},
        {"kty": "RSA", "n": "AAAA"},
        {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "n": 7, "e": 2**70},
        {**jwk(RSA), "key_ops": None},
        {**jwk(RSA), "kid": ["a"]},
        {},
        [],
        None,
        "text",
        1,
    ],
    # Keys are new in each process, and ids must not be.
    ids=["no parts", "no e", "n is no text", "n is a number", "key_ops", "kid", *"abcde"],
)
def test_an_invalid_entry_does_not_affect_other_keys_of_its_set(broken: object) -> None:
    raw = json.dumps({"keys": [broken, jwk(RSA, kid="good")]}).encode()

    assert list(read_keys(raw, algorithm="RS256")) == ["good"]


def test_a_short_rsa_key_is_not_used() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - refused below
    raw = json.dumps({"keys": [jwk(short, kid="short"), jwk(RSA, kid="long")]}).encode()

    assert list(read_keys(raw, algorithm="RS256")) == ["long"]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1]}',
        b'{"keys": [{"kty": "oct", "k": "AAAA"}]}',
        json.dumps({"keys": [jwk(P256, kid="a"), jwk(P256, kid="a")]}).encode(),
        json.dumps({"keys": [jwk(P256) | {"x": "AAAA"}]}).encode(),
    ],
)
def test_a_jwk_set_without_a_usable_key_is_refused(document: bytes) -> None:
    with pytest.raises(KeySetNotUsableError):
        read_keys(document, algorithm="ES256")
