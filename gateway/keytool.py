"""API keys for an operator, on the gateway's own database: `python -m gateway.keytool`.

It makes, lists and revokes them. Exit codes: 1 refused, 2 the command or the settings are wrong, 3
the database does not answer.
"""

import argparse
import asyncio
import datetime as dt
import json
import re
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from chassis import identity
from chassis.database import Database
from chassis.settings import load
from gateway.keys import ENVIRONMENTS, SCOPES, Key, KeyStore
from gateway.settings import KeySettings
from kernel.errors import DomainError, NotFound, Unavailable

REFUSED, AWAY = 1, 3
PAGE_SIZE = 100
_MARKETPLACE_NAME = re.compile(r"(?!all\Z|(-*[0-9a-f]){32}-*\Z)[a-z0-9][a-z0-9-]{0,62}")


def main() -> None:
    """Run the key tool; DATABASE_URL and API_KEY_PEPPER are the gateway's."""
    arguments = _arguments()
    settings = load(KeySettings, program="gateway.keytool")
    try:
        found = asyncio.run(_run(arguments, settings))
    except DomainError as error:
        said = f"{error.reason}: {error.message} {error.__cause__ or ''}".strip()
        sys.stderr.write(f"gateway.keytool: {said}\n")
        sys.exit(AWAY if isinstance(error, Unavailable) else REFUSED)
    sys.stdout.write((json.dumps(found) if arguments.json else _words(found)) + "\n")


async def _run(arguments: argparse.Namespace, settings: KeySettings) -> Mapping[str, Any]:
    database = Database.open(url=settings.database_url, schema="gateway", pool_size=2)
    pepper, also = settings.peppers()
    store = KeyStore(database, pepper=pepper, also=also)
    where = {"name": arguments.marketplace, "environment": arguments.environment}
    try:
        if arguments.command == "create":
            # The first key makes the marketplace.
            named = await store.marketplace(**where)
            _act(arguments.operator, named)
            made = await store.create(
                marketplace_id=named,
                environment=arguments.environment,
                scopes=arguments.scopes,
                name=arguments.name,
            )
            return {"key": made.text, **_document(made.key)}
        marketplace_id = await store.find_marketplace(**where)
        if marketplace_id is None:
            raise NotFound(
                f"There is no marketplace {arguments.marketplace!r}", reason="MARKETPLACE_NOT_FOUND"
            )
        if arguments.command == "list":
            found = [key async for key in store.all(marketplace_id=marketplace_id, size=PAGE_SIZE)]
            return {"keys": [_document(key) for key in found]}
        _act(arguments.operator, marketplace_id)
        return _document((await store.revoke(arguments.id, marketplace_id=marketplace_id)).key)
    finally:
        await database.close()


def _act(operator: str, marketplace_id: uuid.UUID) -> None:
    """Name who makes the change, for the audit trail."""
    identity.bind(identity.operator(name=operator, marketplace_id=marketplace_id))


def _document(key: Key) -> dict[str, Any]:
    """Return a key without its secret."""
    return {
        "id": key.id,
        "marketplace": key.marketplace,
        "environment": key.environment,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "createdAt": _text(key.created_at),
        "expiresAt": _text(key.expires_at),
        "revokedAt": _text(key.revoked_at),
    }


def _text(at: dt.datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds")


def _words(found: Mapping[str, Any]) -> str:
    if "key" in found:
        return str(found["key"])
    if "keys" in found:
        return "\n".join(
            f"{one['id']}  {one['createdAt']}  {','.join(one['scopes'])}  "
            + (f"revoked {one['revokedAt']}" if one["revokedAt"] else "valid")
            for one in found["keys"]
        )
    return f"{found['id']} revoked"


def _scopes(text: str) -> frozenset[str]:
    scopes = frozenset(part.strip() for part in text.split(","))
    if not scopes <= set(SCOPES):
        raise argparse.ArgumentTypeError(f"scopes must be among {', '.join(SCOPES)}")
    return scopes


def _operator(text: str) -> str:
    if text and identity.OPERATOR_NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("a name has a-z, 0-9 and ._@-")
    return text


def _marketplace(text: str) -> str:
    if _MARKETPLACE_NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("a name has a-z, 0-9 and hyphens; not a UUID, not 'all'")
    return text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gateway.keytool", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key and print it, once")
    create.add_argument("--scopes", type=_scopes, required=True, help="read,write,support,admin")
    create.add_argument("--name", default="")
    listed = commands.add_parser("list", help="the keys of a marketplace, newest first")
    revoke = commands.add_parser("revoke", help="revoke a key, within five seconds everywhere")
    revoke.add_argument("id", help="the twelve characters after ohk_live_ or ohk_test_")
    for command in (create, listed, revoke):
        command.add_argument("--marketplace", type=_marketplace, required=True)
        command.add_argument("--environment", choices=ENVIRONMENTS, default="live")
        command.add_argument("--json", action="store_true", help="one line of JSON")
        command.add_argument("--operator", type=_operator, default="", help="who asks")
    return parser.parse_args()


if __name__ == "__main__":
    main()
