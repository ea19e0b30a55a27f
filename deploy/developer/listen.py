"""`listen`: forward events to a URL, signed as webhooks are.

Each event is sent at once, in order, as one POST with the body and the headers of Orchestrator's
own webhooks. An event is sent only once, and your program's answer is printed. The signing secret
is derived from the API key, so it stays the same. After a lost connection, listening continues
after the last event. Ctrl-C ends the command.
"""

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from functools import partial
from itertools import islice

import click
import httpx
from standardwebhooks import Webhook

from client import Event, Marketplace
from deploy.developer import settings
from deploy.developer.command import SHOWN, Session, calling
from deploy.operator.answers import Answer

SECONDS = 10.0
# The number of consecutive failed connections before giving up: about a quarter of an hour.
RETRIES = 100
_OK, _REDIRECTS, _ERRORS = 200, 300, 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the receiver answered. status: 0: no answer. error: "" after a success."""

    status: int
    error: str
    milliseconds: int


@calling("listen", about=__doc__)
@click.option("--forward-to", "url", required=True, help="Such as http://localhost:3000/hook.")
@click.option("--events", "types", help="Only these: order.*,withdrawal.failed. Otherwise all.")
@click.option("--count", type=click.IntRange(1), help="End after so many events.")
def command(session: Session, *, url: str, types: str | None, count: int | None) -> Answer:
    """Forward events. Raises: NoPlaceError; RefusedError; as the API refuses."""
    settings.http(url)
    me = session.api.get_me()
    secret = signing_secret(session.place.api_key)
    whose = f"{me['marketplace']} ({me['environment']})"
    start = {"forwardTo": url, "signingSecret": secret, "marketplace": me["marketplace"]}
    session.show(f"Events of {whose} go to {url}\nSigning secret: {secret}", start)
    with (
        Marketplace(session.place.api_key, base_url=session.place.url, retries=RETRIES) as api,
        httpx.Client(timeout=SECONDS, trust_env=False, follow_redirects=False) as http,
    ):
        opened = partial(session.progress, "Listening.")
        for event in islice(api.events(types=types, opened=opened), count):
            _show(session, event, forward(http, url, event, secret=secret))
    return SHOWN


def signing_secret(api_key: str) -> str:
    """Return the secret of a key's listeners. The key cannot be derived from the secret."""
    derived = hmac.new(api_key.encode(), b"orchestrator listen", hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(derived).decode()}"


def forward(http: httpx.Client, url: str, event: Event, *, secret: str) -> Outcome:
    """Send one event as a webhook is sent. Every failure is returned as an outcome."""
    body = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    identity, at = str(event.data["eventId"]), dt.datetime.now(dt.UTC)
    headers = {
        "User-Agent": "Orchestrator-Webhooks/1",
        "Content-Type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(identity, at, body),
    }
    began, status, error = time.monotonic(), 0, ""
    try:
        # The body of the answer is not read, because it can have any size.
        with http.stream("POST", url, content=body.encode(), headers=headers) as answer:
            status = answer.status_code
    except httpx.TimeoutException:
        error = "TIMEOUT"
    except httpx.TransportError:
        error = "CONNECTION_FAILED"
    if status and not _OK <= status < _REDIRECTS:
        error = "REDIRECTED" if _REDIRECTS <= status < _ERRORS else "STATUS_NOT_2XX"
    milliseconds = int((time.monotonic() - began) * 1000)
    return Outcome(status=status, error=error, milliseconds=milliseconds)


def _show(session: Session, event: Event, outcome: Outcome) -> None:
    about, identity = event.data["aggregateId"], event.data["eventId"]
    said = f"{outcome.status or ''} {outcome.error}".strip()
    session.show(
        f"{event.type}  {about}  {identity}  → {said}  {outcome.milliseconds} ms",
        {
            "eventType": event.type,
            "eventId": identity,
            "aggregateId": about,
            "status": outcome.status or None,
            "error": outcome.error or None,
            "milliseconds": outcome.milliseconds,
        },
    )
