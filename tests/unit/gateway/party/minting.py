"""Tokens of an issuer with a shared secret, valid and invalid ones."""

import base64
import hashlib
import hmac
import time
import uuid
from typing import Any

import jwt
from pydantic import SecretBytes

from gateway.settings import Issuer

SECRET = b"a secret of thirty-two bytes, or more"
SUBJECT = uuid.UUID("aabbccdd-eeff-0011-2233-445566778899")
SHARED = Issuer(
    issuer="idp",
    marketplace="demo",
    audience="orders",
    algorithm="HS256",
    key=SecretBytes(SECRET),
)


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a valid token, with changes; None removes a claim."""
    now = int(time.time())
    said = {"iss": "idp", "sub": str(SUBJECT), "aud": "orders", "iat": now, "exp": now + 600}
    return {name: value for name, value in (said | changes).items() if value is not None}


def signed(said: dict[str, Any], **header: Any) -> str:
    """Sign claims."""
    return jwt.encode(said, SECRET, algorithm="HS256", headers=header)


def b64(raw: bytes) -> str:
    """Encode bytes as a part of a token."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def spelled(payload: bytes, header: bytes = b'{"alg":"HS256","typ":"JWT"}') -> str:
    """Sign exactly these bytes."""
    signing = f"{b64(header)}.{b64(payload)}"
    return f"{signing}.{b64(hmac.digest(SECRET, signing.encode(), hashlib.sha256))}"
