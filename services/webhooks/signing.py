"""Secrets and signatures, as Standard Webhooks describes them.

A secret is derived from the service's key and the webhook's id, and is never stored, so a copy of
the database does not contain it.
"""

import base64
import datetime as dt
import hashlib
import hmac
import uuid
from collections.abc import Mapping

import standardwebhooks

from services.webhooks.domain import Webhook

PREFIX = "whsec_"


class Secrets:
    """The secrets of all webhooks. key: the key from which they are derived."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def secret(self, marketplace_id: uuid.UUID, webhook_id: uuid.UUID, number: int) -> str:
        """Return the secret of a webhook with this number."""
        text = f"webhook\n{marketplace_id}\n{webhook_id}\n{number}"
        derived = hmac.new(self._key, text.encode(), hashlib.sha256).digest()
        return PREFIX + base64.b64encode(derived).decode()

    def headers(
        self, webhook: Webhook, *, message_id: str, body: str, at: dt.datetime
    ) -> Mapping[str, str]:
        """Sign a body, with both secrets while two are valid; return the HTTP headers.

        Source: https://www.standardwebhooks.com.
        """
        numbers = [webhook.secret_number]
        if webhook.previous_until is not None and at < webhook.previous_until:
            numbers.append(webhook.secret_number - 1)
        valid = [self.secret(webhook.marketplace_id, webhook.id, number) for number in numbers]
        signatures = [standardwebhooks.Webhook(one).sign(message_id, at, body) for one in valid]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
