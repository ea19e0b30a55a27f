"""`keys`: issue, list and revoke API keys of marketplaces, through the gateway's own program.

It needs DATABASE_URL with the gateway's schema, and the gateway's API_KEY_PEPPER. For the embedded
stack it finds both. A key is printed once, when it is created.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click

from deploy.operator import rewrap
from deploy.operator.answers import AWAY, DONE, WRONG, Answer
from deploy.operator.command import doing
from deploy.operator.settings import NoPlaceError, Place, child
from deploy.operator.trail import keep
from kernel.errors import FailedPrecondition, Unavailable

SCOPES = "read,write,support,admin"
PROGRAM = "gateway.keytool"
_SAID = re.compile(rf"{re.escape(PROGRAM)}: (?P<reason>[A-Z_]+): (?P<message>.*)", re.DOTALL)


def _of_marketplace(run: Callable[..., Answer]) -> Callable[..., Answer]:
    return click.option("--marketplace", required=True, help="A name, or name:test.")(run)


@doing("issue", about="Create a key and print it once. The first key creates the marketplace.")
@_of_marketplace
@click.option("--scopes", default=SCOPES, show_default=True, help="The scopes of the key.")
@click.option("--name", default="", help="A note on the key's purpose.")
def issue(place: Place, *, marketplace: str, scopes: str, name: str) -> Answer:
    """Create a key. Raises: as `_asked`."""
    _keep(place, "keys issue", marketplace=marketplace, scopes=scopes, name=name)
    made = _asked(place, marketplace, "create", "--scopes", scopes, "--name", name)
    return Answer(lines=[made["key"]], document=made)


@doing("list", about="List the keys of a marketplace, newest first, without their secrets.")
@_of_marketplace
def listing(place: Place, *, marketplace: str) -> Answer:
    """List keys. Raises: as `_asked`."""
    found = _asked(place, marketplace, "list")
    return Answer(lines=[_line(one) for one in found["keys"]], document=found)


@doing("revoke", about="Revoke a key; within five seconds every gateway refuses it.")
@_of_marketplace
@click.option("--id", "key_id", required=True, help="The twelve characters after ohk_live_.")
def revoke(place: Place, *, marketplace: str, key_id: str) -> Answer:
    """Revoke a key. Revoking it again keeps the first time. Raises: as `_asked`."""
    _keep(place, "keys revoke", marketplace=marketplace, id=key_id)
    found = _asked(place, marketplace, "revoke", key_id)
    return Answer(lines=[f"{found['id']} revoked at {found['revokedAt']}"], document=found)


group = click.Group(
    "keys",
    help="Manage API keys of marketplaces, and keys of wallets.",
    commands=[issue, listing, revoke, rewrap.command],
)


def _keep(place: Place, command: str, **details: str) -> None:
    """Record the command in the trail. Raises: NoPlaceError; psycopg.Error."""
    place.require_database()
    keep(place, command, **details)


def _asked(place: Place, marketplace: str, verb: str, *arguments: str) -> dict[str, Any]:
    """Run the gateway's key tool and return its answer.

    Raises: NoPlaceError; FailedPrecondition; Unavailable: the database does not answer.
    """
    place.require_database()
    if not place.pepper:
        raise NoPlaceError("API_KEY_PEPPER: is required")
    name, _, environment = marketplace.partition(":")
    whose = ("--marketplace", name, "--environment", environment or "live", "--json")
    who = ("--operator", place.operator)
    done = subprocess.run(
        [sys.executable, "-P", "-m", PROGRAM, verb, *arguments, *whose, *who],
        env=child(DATABASE_URL=place.database_url, API_KEY_PEPPER=place.pepper),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == DONE:
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    said = done.stderr.strip()
    match = _SAID.fullmatch(said)
    message = match["message"] if match else said.splitlines()[-1]
    if done.returncode == WRONG:
        raise NoPlaceError(message)
    kind = Unavailable if done.returncode == AWAY else FailedPrecondition
    raise kind(message, reason=match["reason"] if match else "KEY_REFUSED")


def _line(found: dict[str, Any]) -> str:
    state = f"revoked {found['revokedAt']}" if found["revokedAt"] else "valid"
    name = f"  {found['name']!r}" if found["name"] else ""
    return f"{found['id']}  {found['createdAt']}  {','.join(found['scopes'])}  {state}{name}"
