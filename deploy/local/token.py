"""Issues access tokens for the running stack, as the marketplace's identity provider would.

make token SUB=aabbccdd-eeff-0011-2233-445566778899 [ROLE=admin|support] [NAME="Ann Lee"]
"""

import argparse
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any

import jwt

from deploy.local import settings, state

LIFETIME_SECONDS = 24 * 3600
ALGORITHM = "HS256"
ISSUER = "orchestrator-local"
AUDIENCE = "orchestrator"
ROLES = "an admin reads any order and dispute; support decides disputes"


def issuer(*, secret: str, marketplace: str) -> dict[str, str]:
    """Return the stack's own issuer as an entry of JWT_ISSUERS."""
    return {
        "issuer": ISSUER,
        "marketplace": marketplace,
        "audience": AUDIENCE,
        "algorithm": ALGORITHM,
        "key": secret,
    }


def mint(
    document: Mapping[str, Any],
    *,
    subject: uuid.UUID,
    role: str | None = None,
    name: str | None = None,
) -> str:
    """Create a token for a user of the stack that stack.json describes.

    Raises: KeyError: the stack uses other issuers.
    """
    now = int(time.time())
    claims = {
        "iss": document["jwtIssuer"],
        "sub": str(subject),
        "aud": document["jwtAudience"],
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
    }
    if role is not None:
        claims["role"] = role
    if name is not None:
        claims["name"] = name
    return jwt.encode(claims, document["jwtSecret"], algorithm=ALGORITHM)


def main() -> int:
    """Print a token; returns the exit code of the program."""
    parser = argparse.ArgumentParser(prog="make token", description="A user's access token")
    parser.add_argument("--sub", type=uuid.UUID, required=True, help="the user's UUID")
    parser.add_argument("--role", choices=["admin", "support"], help=ROLES)
    parser.add_argument("--name", help="what a person of support is called")
    arguments = parser.parse_args()
    document = state.read(settings.load().run_dir)
    if document is None:
        sys.stderr.write("token: no stack is running here: `make run` starts one\n")
        return 1
    if not document.get("jwtSecret"):
        sys.stderr.write("token: the stack has the issuers of JWT_ISSUERS, not one of its own\n")
        return 1
    print(mint(document, subject=arguments.sub, role=arguments.role, name=arguments.name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
