"""An event is forwarded like a webhook, and every answer gives an outcome."""

import httpx
import pytest
from standardwebhooks import Webhook

from client import Event
from deploy.developer.listen import forward, signing_secret

KEY = "ohk_test_secret"
EVENT = Event(
    id="1-evt_1", type="order.created", data={"eventId": "evt_1", "payload": {"title": "Größe €"}}
)


def test_signing_secret_is_derived_from_the_key_and_hides_it() -> None:
    secret = signing_secret(KEY)

    assert secret == signing_secret(KEY)
    assert secret != signing_secret("ohk_test_other")
    assert secret.startswith("whsec_")
    assert KEY not in secret


def test_a_forwarded_event_is_verified_by_the_standards_library() -> None:
    sent: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(204)

    secret = signing_secret(KEY)
    with httpx.Client(transport=httpx.MockTransport(take)) as http:
        outcome = forward(http, "http://localhost/hook", EVENT, secret=secret)

    [request] = sent
    assert Webhook(secret).verify(request.content, dict(request.headers)) == EVENT.data
    assert request.headers["webhook-id"] == "evt_1"
    assert request.headers["content-type"] == "application/json"
    assert (outcome.status, outcome.error) == (204, "")


@pytest.mark.parametrize(
    ("status", "error"), [(302, "REDIRECTED"), (404, "STATUS_NOT_2XX"), (500, "STATUS_NOT_2XX")]
)
def test_answer_other_than_success_is_an_error(status: int, error: str) -> None:
    answer = httpx.Response(status, headers={"Location": "http://elsewhere/"})
    with httpx.Client(transport=httpx.MockTransport(lambda _: answer)) as http:
        outcome = forward(http, "http://localhost/hook", EVENT, secret=signing_secret(KEY))

    assert (outcome.status, outcome.error) == (status, error)


@pytest.mark.parametrize(
    ("raised", "error"),
    [(httpx.ReadTimeout("x"), "TIMEOUT"), (httpx.ConnectError("x"), "CONNECTION_FAILED")],
)
def test_no_answer_is_an_error(raised: httpx.TransportError, error: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise raised

    with httpx.Client(transport=httpx.MockTransport(fail)) as http:
        outcome = forward(http, "http://localhost/hook", EVENT, secret=signing_secret(KEY))

    assert (outcome.status, outcome.error) == (0, error)
