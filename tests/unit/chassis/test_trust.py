"""The trust file: an invalid file is refused with one line, and the last valid one stays."""

import base64
import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from chassis import trust, watched
from chassis.watched import Watched
from tests.identities import FOREIGN_KEY, KEYS, TRUST

KEY = trust.public_text(FOREIGN_KEY)
GRANT = {"rpcs": ["ledger.GetBalance"], "scopes": ["read"], "marketplaces": "all"}


def told(**party: Any) -> str:
    return json.dumps({"callers": {"billing": {"keys": [KEY], **party}}})


def test_a_caller_from_outside_has_its_grant_only() -> None:
    shop, other = uuid.uuid4(), uuid.uuid4()
    grant = trust.parse(told(grant=GRANT | {"marketplaces": [str(shop)]})).grant_of("billing")

    assert grant is not None
    assert grant.rpcs == {"ledger.GetBalance"}
    assert (grant.has_marketplace(shop), grant.has_marketplace(other)) == (True, False)


def test_our_program_has_no_grant_and_an_unknown_caller_no_key() -> None:
    assert TRUST.grant_of("gateway") is None
    assert TRUST.keys_of("nobody") == ()
    [key] = TRUST.keys_of("gateway")
    assert key == KEYS["gateway"].public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps({"callers": {"Billing": {"keys": [KEY]}}}),
        json.dumps({"callers": {"": {"keys": [KEY]}}}),
        json.dumps({"callers": {"one": {"keys": [KEY]}, "other": {"keys": [KEY]}}}),
        json.dumps({"callers": {}, "more": 1}),
        told(keys=[]),
        told(keys=[KEY, KEY]),
        told(keys=[trust.public_text(key) for key in list(KEYS.values())[:3]]),
        told(keys=["x"]),
        told(keys=[KEY[:-4]]),
        told(rpcs=["ledger.GetBalance"]),
        told(grant={}),
        told(grant=GRANT | {"rpcs": []}),
        told(grant=GRANT | {"rpcs": ["ledger.*"]}),
        told(grant=GRANT | {"rpcs": ["*"]}),
        told(grant=GRANT | {"scopes": ["root"]}),
        told(grant=GRANT | {"marketplaces": []}),
        told(grant=GRANT | {"marketplaces": "some"}),
        told(grant=GRANT | {"marketplaces": ["demo"]}),
        told(grant=GRANT | {"until": 1}),
    ],
    # Keys are new in each process, and ids must not be.
    ids=[f"text {number}" for number in range(23)],
)
def test_a_malformed_trust_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        trust.parse(text)


@pytest.mark.parametrize(
    "text", ["", "hunter2", "aHVudGVyMg==", "-----BEGIN PRIVATE KEY-----\nhunter2\n"]
)
def test_an_invalid_private_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"must be a private key of Ed25519, in PEM \(PKCS #8\) or base64$"
    ) as refused:
        trust.private_key(text)

    assert "hunter2" not in str(refused.value)


def test_a_key_is_read_back() -> None:
    own = KEYS["orders"]

    for text in (trust.private_text(own), base64.b64encode(own.private_bytes_raw())):
        assert trust.private_key(text).public_key() == own.public_key()
    assert trust.public_key(trust.public_text(own)) == own.public_key()


def replace(path: Path, text: str) -> None:
    """Replace a file by a new one with its name, as editors and mounted volumes do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def test_a_file_is_reloaded_when_it_changes_and_a_check_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trust.json"
    path.write_text(TRUST.model_dump_json())
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    file = Watched([path], trust.read_trust)
    first = file.current()

    replace(path, told())
    assert file.current() is first
    now += watched.LOOK_SECONDS
    second = file.current()

    assert set(second.callers) == {"billing"}
    now += watched.LOOK_SECONDS
    assert file.current() is second


@pytest.mark.parametrize("change", ["is wrong", "is gone"])
def test_an_unreadable_file_keeps_the_last_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = tmp_path / "trust.json"
    path.write_text(told())
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    file = Watched([path], trust.read_trust)
    first = file.current()

    if change == "is wrong":
        replace(path, "{")
    else:
        path.unlink()
    now += watched.LOOK_SECONDS
    assert file.current() is first

    replace(path, TRUST.model_dump_json())
    now += watched.LOOK_SECONDS
    assert set(file.current().callers) == set(TRUST.callers)
