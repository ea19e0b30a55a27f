"""Which webhooks are accepted."""

import base64
import datetime as dt
import json

import pytest
from standardwebhooks.webhooks import Webhook

from client import errors, verified_webhook

SECRET = "whsec_" + base64.b64encode(b"0" * 24).decode()
BODY = json.dumps({"eventId": "evt_1", "eventType": "order.created"}).encode()


def signed(body: bytes = BODY, *, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    at = dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=age)
    return {
        "Webhook-Id": "evt_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("evt_1", at, body.decode()),
    }


def test_a_signed_webhook_is_its_event() -> None:
    assert verified_webhook(BODY, signed(), secret=SECRET)["eventType"] == "order.created"
    assert verified_webhook(BODY.decode(), signed(), secret=SECRET)["eventId"] == "evt_1"


def test_one_valid_signature_is_enough_while_a_secret_is_rotated() -> None:
    other = "whsec_" + base64.b64encode(b"1" * 24).decode()
    headers = signed()
    headers["Webhook-Signature"] += " " + signed(secret=other)["Webhook-Signature"]

    assert verified_webhook(BODY, headers, secret=other)["eventId"] == "evt_1"
    assert verified_webhook(BODY, headers, secret=SECRET)["eventId"] == "evt_1"


@pytest.mark.parametrize(
    "headers",
    [
        signed(b"{}"),
        signed(secret="whsec_" + base64.b64encode(b"2" * 24).decode()),
        signed(age=3600),
        signed(age=-3600),
        {**signed(), "Webhook-Id": "evt_2"},
        {**signed(), "Webhook-Timestamp": "soon"},
        {**signed(), "Webhook-Signature": ""},
        {name: value for name, value in signed().items() if name != "Webhook-Signature"},
        {},
    ],
)
def test_webhook_signed_with_another_secret_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(errors.SignatureInvalid):
        verified_webhook(BODY, headers, secret=SECRET)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(errors.SignatureInvalid):
        verified_webhook(b"\xff", signed(), secret=SECRET)
