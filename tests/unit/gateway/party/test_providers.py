"""Access tokens as identity providers make them, with the settings that docs/party.md names.

The shapes are those of the providers' documentation; names and values are made up.
"""

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from gateway.party.claims import TokenNotValid
from gateway.party.tokens import Bearer, Tokens
from gateway.settings import Issuer
from kernel.ids import is_hashed

from .minting import SUBJECT, claims

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())
DOCUMENT = Path(__file__).parents[4] / "docs" / "party.md"
KIDS = {"RS256": "rsa-1", "ES256": "ec-1"}
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A provider: our settings, its token's header and claims, its admin's claims and identity."""

    settings: dict[str, Any]
    header: dict[str, Any]
    said: dict[str, Any]
    admin: dict[str, Any]
    without_audience: dict[str, Any]
    subject: uuid.UUID | None = None
    marketplace: str = "market"
    also: dict[str, Any] = field(default_factory=dict)


PROVIDERS = {
    "Keycloak": Provider(
        settings={
            "issuer": "https://login.example/realms/market",
            "marketplace": "market",
            "audience": "orchestrator",
            "role_claim": "realm_access.roles",
            "algorithm": "RS256",
        },
        header={"typ": "JWT"},
        said={
            "jti": "onrtac:1f0f2d5e-6b1c-4e6c-8b8a-0f4f3d1a2b3c",
            "aud": ["orchestrator", "account"],
            "sub": str(SUBJECT),
            "typ": "Bearer",
            "azp": "web",
            "sid": "0b6f3f2e-6f0e-4e7a-9a53-7f0a4f7f9f10",
            "acr": "1",
            "allowed-origins": ["https://market.example"],
            "realm_access": {"roles": ["offline_access", "uma_authorization"]},
            "resource_access": {"account": {"roles": ["manage-account", "admin"]}},
            "scope": "openid email profile",
            "email_verified": True,
            "name": "Ann Example",
            "preferred_username": "ann",
            "email": "ann@market.example",
        },
        admin={"realm_access": {"roles": ["offline_access", "admin"]}},
        without_audience={"aud": "account"},
        subject=SUBJECT,
    ),
    "Auth0": Provider(
        settings={
            "issuer": "https://market.eu.auth0.example/",
            "marketplace": "market",
            "audience": "https://orders.market.example",
            "role_claim": "https://market.example/roles",
            "algorithm": "RS256",
        },
        header={"typ": "JWT"},
        said={
            "https://market.example/roles": ["buyer"],
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
            "aud": ["https://orders.market.example", "https://market.eu.auth0.example/userinfo"],
            "azp": "my_client_id",
            "scope": "openid profile email",
            "gty": "password",
            "permissions": ["admin"],
        },
        admin={"https://market.example/roles": ["buyer", "admin"]},
        without_audience={"aud": "https://market.eu.auth0.example/userinfo"},
    ),
    "Cognito": Provider(
        settings={
            "issuer": "https://cognito-idp.eu-central-1.amazonaws.example/eu-central-1_Ab1",
            "marketplace": "market",
            "audience": "1example23456789",
            "audience_claim": "client_id",
            "role_claim": "cognito:groups",
            "algorithm": "RS256",
        },
        header={},
        said={
            "sub": str(SUBJECT),
            "device_key": "eu-central-1_x",
            "cognito:groups": ["buyers"],
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin",
            "auth_time": 1_700_000_000,
            "version": 2,
            "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "client_id": "1example23456789",
            "origin_jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "event_id": "64f513be-32db-42b0-b78e-b02127b4f463",
            "username": "ann",
        },
        admin={"cognito:groups": ["admin"]},
        without_audience={"client_id": "another"},
        subject=SUBJECT,
    ),
    "Clerk": Provider(
        settings={
            "issuer": "https://clerk.market.example",
            "marketplace_claim": "o.id",
            "marketplaces": {"org_2a": "market", "org_2b": "other"},
            "audience": ["https://market.example", "https://www.market.example"],
            "audience_claim": "azp",
            "role_claim": "metadata.role",
            "algorithm": "RS256",
        },
        header={"typ": "JWT", "cat": "cl_B7d4PD111AAA"},
        said={
            "azp": "https://market.example",
            "fva": [0, -1],
            "jti": "a1b2",
            "nbf": 1_700_000_000,
            "o": {"id": "org_2a", "rol": "admin", "slg": "acme", "per": "manage", "fpm": "3"},
            "org_role": "org:admin",
            "metadata": {"role": "buyer"},
            "sid": "sess_123",
            "sts": "active",
            "sub": "user_2b",
            "v": 2,
        },
        admin={"metadata": {"role": "admin"}},
        without_audience={"azp": "https://evil.example"},
        also={"o": {"id": "org_3c"}},
    ),
    "Entra": Provider(
        settings={
            "issuer": f"https://login.microsoftonline.example/{TENANT}/v2.0",
            "marketplace_claim": "tid",
            "marketplaces": {TENANT: "market"},
            "audience": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "role_claim": "roles",
            "admin_role": "Orders.Admin",
            "subject_claim": "oid",
            "algorithm": "RS256",
        },
        header={"typ": "JWT", "x5t": "i6lGk3FZzxRcUb2C3nEQ7syHJlY"},
        said={
            "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "nbf": 1_700_000_000,
            "aio": "AXQAi/8IAAAA",
            "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            "azpacr": "0",
            "name": "Ann Example",
            "oid": str(SUBJECT),
            "preferred_username": "ann@market.example",
            "rh": "I",
            "roles": ["Orders.Read"],
            "scp": "access_as_user",
            "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
            "tid": TENANT,
            "uti": "fqiBqXLPj0eQa82S-IYFAA",
            "ver": "2.0",
        },
        admin={"roles": ["Orders.Read", "Orders.Admin"]},
        without_audience={"aud": "00000003-0000-0000-c000-000000000000"},
        subject=SUBJECT,
        also={"tid": "00000000-0000-0000-0000-000000000000"},
    ),
    "Supabase": Provider(
        settings={
            "issuer": "https://abcdefgh.supabase.example/auth/v1",
            "marketplace": "market",
            "audience": "authenticated",
            "role_claim": "app_metadata.role",
            "algorithm": "ES256",
        },
        header={"typ": "JWT"},
        said={
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": 1_700_000_000}],
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "aud": "authenticated",
            "email": "ann@market.example",
            "is_anonymous": False,
            "phone": "",
            "role": "authenticated",
            "session_id": "123e4567-e89b-12d3-a456-426614174000",
            "sub": str(SUBJECT),
            "user_metadata": {"role": "admin"},
        },
        admin={"app_metadata": {"provider": "email", "role": "admin"}},
        without_audience={"aud": "anon"},
        subject=SUBJECT,
    ),
}
EACH = pytest.mark.parametrize("name", PROVIDERS)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    """A verifier of all providers at once, with all keys in one JWK set file."""
    keys = [
        json.loads(RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "rsa-1", "use": "sig"},
        json.loads(ECAlgorithm.to_jwk(P256.public_key())) | {"kid": "ec-1", "use": "sig"},
    ]
    path: Path = tmp_path_factory.mktemp("keys") / "jwks.json"
    path.write_text(json.dumps({"keys": keys}))
    issuers = [Issuer(**one.settings, jwks_file=path) for one in PROVIDERS.values()]
    return Tokens(issuers)


def token(one: Provider, **changes: Any) -> str:
    """Sign a provider's claims with changes; a change to None removes the claim."""
    said = claims(aud=None, sub=None, iss=one.settings["issuer"]) | one.said | changes
    said = {name: value for name, value in said.items() if value is not None}
    algorithm = one.settings["algorithm"]
    private: Any = RSA if algorithm == "RS256" else P256
    header = one.header | {"kid": KIDS[algorithm]}
    return jwt.encode(said, private, algorithm=algorithm, headers=header)


async def refused(tokens: Tokens, text: str) -> None:
    with pytest.raises(TokenNotValid):
        await tokens.verify(text)


def test_settings_in_the_document_exist() -> None:
    blocks = re.findall(r"```json\n(\[.*?\])\n```", DOCUMENT.read_text(), re.DOTALL)

    found = [Issuer.model_validate(one) for block in blocks for one in json.loads(block)]

    assert [one.is_discovered for one in found] == [True, True]


@EACH
async def test_a_providers_token_identifies_its_caller(tokens: Tokens, name: str) -> None:
    one = PROVIDERS[name]

    found = await tokens.verify(token(one))

    assert (found.role, found.marketplace) == ("user", one.marketplace)
    if one.subject is not None:
        assert found.subject == one.subject


@EACH
async def test_a_providers_admin_has_the_configured_role(tokens: Tokens, name: str) -> None:
    one = PROVIDERS[name]

    assert (await tokens.verify(token(one, **one.admin))).role == "admin"


@EACH
async def test_a_token_for_another_audience_is_refused(tokens: Tokens, name: str) -> None:
    one = PROVIDERS[name]

    await refused(tokens, token(one, **one.without_audience))
    await refused(tokens, token(one, **dict.fromkeys(one.without_audience)))


@EACH
async def test_aud_is_checked_even_with_another_audience_claim(tokens: Tokens, name: str) -> None:
    await refused(tokens, token(PROVIDERS[name], aud="https://somebody.example"))


@pytest.mark.parametrize("name", [name for name, one in PROVIDERS.items() if one.also])
async def test_a_token_of_an_unknown_marketplace_is_refused(tokens: Tokens, name: str) -> None:
    one = PROVIDERS[name]

    await refused(tokens, token(one, **one.also))
    await refused(tokens, token(one, **dict.fromkeys(one.also)))


async def test_a_token_of_two_marketplaces_is_refused(tokens: Tokens) -> None:
    one = PROVIDERS["Clerk"]

    await refused(tokens, token(one, o={"id": ["org_2a", "org_2b"]}))
    assert (await tokens.verify(token(one, o={"id": "org_2b"}))).marketplace == "other"


async def _said_by(tokens: Tokens, name: str, subject: str) -> Bearer:
    claim = PROVIDERS[name].settings.get("subject_claim", "sub")
    return await tokens.verify(token(PROVIDERS[name], **{claim: subject}))


async def test_a_subject_that_is_not_a_uuid_is_one_user_of_its_issuer(tokens: Tokens) -> None:
    said = ["auth0|5f7c", "auth0|5F7c", "google-oauth2|1", "é", "a b", f"{SUBJECT} ", "a:b", "a"]

    users = {
        (name, subject): (await _said_by(tokens, name, subject)).subject
        for name in PROVIDERS
        for subject in said
    }

    assert len(set(users.values())) == len(users) == len(said) * len(PROVIDERS)
    for (name, subject), user_id in users.items():
        assert (await _said_by(tokens, name, subject)).subject == user_id
        assert is_hashed(user_id)


async def test_an_issuer_cannot_name_another_issuers_user(tokens: Tokens) -> None:
    theirs = (await _said_by(tokens, "Auth0", "auth0|5f7c")).subject

    for spelled in (str(theirs), str(theirs).upper()):
        for name in PROVIDERS:
            assert (await _said_by(tokens, name, spelled)).subject != theirs


async def test_claim_is_read_only_at_its_configured_path(tokens: Tokens) -> None:
    keycloak, auth0 = PROVIDERS["Keycloak"], PROVIDERS["Auth0"]
    said = [
        token(keycloak, **{"realm_access.roles": ["admin"]}),
        token(keycloak, realm_access="admin"),
        token(keycloak, realm_access=["admin"]),
        token(keycloak, realm_access={"roles": {"admin": True}}),
        token(auth0, **{"https://market": {"example/roles": ["admin"]}}),
    ]

    assert {(await tokens.verify(one)).role for one in said} == {"user"}
