"""Verifies that a webhook is from Orchestrator (Standard Webhooks), and returns its event."""

import json
from collections.abc import Mapping
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from .errors import SignatureInvalid


def verified_webhook(
    body: bytes | str, headers: Mapping[str, str], *, secret: str
) -> dict[str, Any]:
    """Return the event of a webhook that was signed with the endpoint's secret.

    body: exactly the bytes received; if it is decoded and encoded again, the signature differs.
    headers: `webhook-id`, `webhook-timestamp` and `webhook-signature`, in any case of letters.
    secret: `whsec_…`. Raises: SignatureInvalid: another secret, a changed body, or older than 5
    minutes.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        text = body.decode() if isinstance(body, bytes) else body
        Webhook(secret).verify(text, named)
    except (UnicodeDecodeError, WebhookVerificationError) as error:
        raise SignatureInvalid(str(error)) from None
    event: dict[str, Any] = json.loads(text)
    return event
