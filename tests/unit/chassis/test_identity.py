"""Identities between services: signed ones are accepted, all others are refused."""

import base64
import datetime as dt
import json
import time
import uuid
from dataclasses import replace

import jwt
import pytest

from chassis import identity
from chassis.identity import (
    AUDIENCE,
    LIFETIME_SECONDS,
    Identity,
    OperatorNotNamed,
    Signer,
    Verifier,
)
from chassis.trust import Party, Trust, public_text
from kernel.errors import Unauthenticated
from tests.identities import BILLING, FOREIGN_KEY, KEYS, TRUST, signer, verifier

OWN = KEYS["gateway"]
MARKETPLACE = uuid.UUID(int=7)
USER = uuid.UUID(int=9)
KEY_HOLDER = Identity(
    caller="gateway",
    marketplace_id=MARKETPLACE,
    principal="key:1",
    role=identity.ROLE_MARKETPLACE,
    scopes=frozenset({"read", "write"}),
)
PERSON = Identity(
    caller="gateway",
    marketplace_id=MARKETPLACE,
    principal=f"user:{USER}",
    role=identity.ROLE_USER,
    scopes=frozenset({"read"}),
    user_id=USER,
)


def claims(**changes: object) -> dict[str, object]:
    """The claims of KEY_HOLDER's token; None takes one away."""
    full: dict[str, object] = {
        "iss": "gateway",
        "aud": AUDIENCE,
        "sub": "key:1",
        "mkt": str(MARKETPLACE),
        "role": "marketplace",
        "scope": "read write",
        "uid": "",
        "exp": int(time.time()) + 60,
    }
    full.update(changes)
    return {name: value for name, value in full.items() if value is not None}


def signed(**changes: object) -> str:
    return jwt.encode(claims(**changes), OWN, algorithm="EdDSA")


def unsigned(header: dict[str, str], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims()).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.mark.parametrize("who", [KEY_HOLDER, PERSON, replace(KEY_HOLDER, environment="test")])
def test_a_signed_identity_is_read_back(who: Identity) -> None:
    token = signer("gateway").token(who)

    assert who == verifier().identity(token)


def test_caller_is_the_signing_service_and_not_the_called_one() -> None:
    token = signer("orders").token(KEY_HOLDER)

    assert verifier().identity(token).caller == "orders"


def test_environment_claimed_by_an_external_caller_is_ignored() -> None:
    claimed = replace(KEY_HOLDER, environment="test")

    assert verifier().identity(signer(BILLING).token(claimed)).environment == ""
    assert verifier().identity(signer("gateway").token(claimed)).environment == "test"
    assert verifier().identity(signed()).environment == ""


def test_unforged_tokens_are_valid() -> None:
    assert verifier().identity(signed()) == KEY_HOLDER


@pytest.mark.parametrize("role", ["user", "admin"])
def test_an_identity_of_a_person_without_a_user_is_refused(role: str) -> None:
    verifying = verifier()

    assert verifying.identity(signed(role=role, uid=str(USER))).user_id == USER
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            verifying.identity(signed(role=role, uid=""))


def test_a_block_can_use_another_identity() -> None:
    identity.bind(PERSON)
    system = identity.system(caller="orders", marketplace_id=MARKETPLACE)

    with identity.acting_as(system):
        assert identity.current() == system
    assert identity.current() == PERSON
    with pytest.raises(ZeroDivisionError), identity.acting_as(system):
        _ = 1 / 0
    assert identity.current() == PERSON


def test_a_system_identity_has_every_scope() -> None:
    who = identity.system(caller="orders", marketplace_id=MARKETPLACE)
    token = signer("orders").token(who)

    assert verifier().identity(token) == who
    assert who.scopes == {"read", "write", "support", "admin"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        unsigned({"alg": "none", "typ": "JWT"}),
        unsigned({"alg": "None"}),
        unsigned({"alg": "HS256"}),
        unsigned({"alg": "HS256"}, b"\x00" * 32),
        unsigned({"alg": "RS256"}, b"\x00" * 256),
        unsigned({"alg": "EdDSA"}, b"\x00" * 64),
        jwt.encode(claims(), FOREIGN_KEY, algorithm="EdDSA"),
        jwt.encode(claims(), KEYS["orders"], algorithm="EdDSA"),
        jwt.encode(claims(iss="nobody"), OWN, algorithm="EdDSA"),
        # What everybody knows is no secret to sign with.
        jwt.encode(claims(), public_text(OWN), algorithm="HS256"),
        signed(iss="orders"),
        signed(exp=int(time.time()) - 1),
        signed(exp=None),
        signed(exp="soon"),
        signed(aud="somebody-else"),
        signed(aud=None),
        signed(iss=None),
        signed(sub=None),
        signed(mkt=None),
        signed(mkt="not-a-uuid"),
        signed(mkt=7),
        signed(role=None),
        signed(scope=None),
        signed(scope=["read"]),
        signed(uid=None),
        signed(uid="not-a-uuid"),
        signed(nbf=int(time.time()) + 600),
    ],
)
def test_a_forged_expired_or_malformed_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier().identity(token)


def test_a_token_with_one_changed_character_is_refused() -> None:
    token = signed()
    verifying = verifier()
    for position in range(0, len(token), 7):
        other = "A" if token[position] != "A" else "B"
        with pytest.raises(Unauthenticated):
            verifying.identity(token[:position] + other + token[position + 1 :])


def test_an_expired_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    token = signer("gateway").token(KEY_HOLDER)
    verifying = verifier()
    verifying.identity(token)
    expired = int(
        jwt.decode(token, OWN.public_key(), algorithms=["EdDSA"], audience=AUDIENCE)["exp"]
    )

    class Later(dt.datetime):
        """The clock of the JWT library, one second too late."""

        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> "Later":
            return cls.fromtimestamp(expired + 1, tz)

    monkeypatch.setattr(time, "time", lambda: expired + 1)
    monkeypatch.setattr(jwt.api_jwt, "datetime", Later)
    with pytest.raises(Unauthenticated):
        verifying.identity(token)


def test_a_signer_renews_a_token_at_half_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    signing = signer("gateway")
    monkeypatch.setattr(time, "time", lambda: now)
    first = signing.token(KEY_HOLDER)

    monkeypatch.setattr(time, "time", lambda: now + LIFETIME_SECONDS / 2 - 1)
    assert signing.token(KEY_HOLDER) == first

    monkeypatch.setattr(time, "time", lambda: now + LIFETIME_SECONDS / 2 + 1)
    assert signing.token(KEY_HOLDER) != first


def test_keys_are_rotated_without_a_pause() -> None:
    old, new = KEYS["gateway"], FOREIGN_KEY
    both = Party(keys=(public_text(old), public_text(new)))
    trusted, signing = [TRUST], [old]
    signer_ = Signer(key=lambda: signing[0], caller="gateway")
    verifying = Verifier(trust=lambda: trusted[0])
    first = signer_.token(KEY_HOLDER)
    assert verifying.identity(first) == KEY_HOLDER

    # The new one is known before anybody signs with it, the old one for as long as tokens live.
    trusted[0] = Trust(callers={**TRUST.callers, "gateway": both})
    signing[0] = new
    second = signer_.token(KEY_HOLDER)

    assert second != first
    assert {verifying.identity(token) for token in (first, second)} == {KEY_HOLDER}
    trusted[0] = Trust(callers={**TRUST.callers, "gateway": Party(keys=(public_text(new),))})
    assert verifying.identity(second) == KEY_HOLDER
    with pytest.raises(Unauthenticated):
        verifying.identity(first)


def test_a_caller_removed_from_the_trust_is_refused_at_once() -> None:
    trusted = [TRUST]
    verifying = Verifier(trust=lambda: trusted[0])
    token = signer("gateway").token(KEY_HOLDER)
    verifying.identity(token)

    trusted[0] = Trust(callers={})

    with pytest.raises(Unauthenticated):
        verifying.identity(token)


def test_a_token_on_the_connection_of_another_caller_is_refused() -> None:
    verifying = verifier()
    token = signer("gateway").token(KEY_HOLDER)

    assert verifying.identity(token, peer="gateway") == KEY_HOLDER
    for peer in ("orders", ""):
        with pytest.raises(Unauthenticated):
            verifying.identity(token, peer=peer)


def test_no_identity_is_set_outside_a_request() -> None:
    identity.bind(None)

    assert identity.current_or_none() is None
    with pytest.raises(Unauthenticated):
        identity.current()


def test_a_bound_identity_is_the_current_one() -> None:
    identity.bind(PERSON, request_id="req-1")

    assert identity.current() == PERSON
    assert identity.current_request_id() == "req-1"
    identity.bind(None)


def test_an_allow_list_line_names_callers_and_scope() -> None:
    access = identity.allow("gateway", "orders", scope="write")

    assert access.callers == {"gateway", "orders"}
    assert access.scope == "write"


def test_an_operator_is_known_by_the_name_that_their_tool_signed() -> None:
    who = identity.operator(name="alice", marketplace_id=uuid.uuid4())

    with identity.acting_as(who):
        assert identity.current_operator() == "alice"


@pytest.mark.parametrize(
    "changes",
    [
        {"principal": "service:operator"},
        {"principal": "operator:"},
        {"principal": "operator:Alice"},
        {"principal": "key:alice"},
        {"caller": "gateway"},
    ],
)
def test_an_unnamed_operator_is_refused(changes: dict[str, str]) -> None:
    named = identity.operator(name="alice", marketplace_id=uuid.uuid4())

    with (
        identity.acting_as(replace(named, **changes)),  # type: ignore[arg-type] # texts alone
        pytest.raises(OperatorNotNamed),
    ):
        identity.current_operator()
