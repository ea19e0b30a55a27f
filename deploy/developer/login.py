"""`login`: store the gateway's URL and an API key for the other commands.

The key is read from standard input; on a terminal, the command asks for it. It is stored in a file
that only you can read, and is never printed. If ORCHESTRATOR_URL and ORCHESTRATOR_API_KEY are both
set, they are used instead of the file.
"""

import sys

import click

from client import Marketplace
from deploy.developer import settings
from deploy.developer.command import answering
from deploy.developer.settings import Place
from deploy.operator.answers import Answer


@answering("login", about=__doc__)
@click.option("--url", required=True, help="Of the gateway, such as http://127.0.0.1:8080.")
@click.option("--faucet-url", default="", help="Pays on a test network; make run prints it.")
def command(*, url: str, faucet_url: str) -> Answer:
    """Check a key, and store it. Raises: NoPlaceError; as the API refuses."""
    key = _key()
    found = Place(
        url=settings.base(url), api_key=key, faucet_url=faucet_url and settings.http(faucet_url)
    )
    with Marketplace(key, base_url=found.url) as api:
        me = api.get_me()
    path = settings.keep(found)
    return Answer(
        lines=[f"{me['marketplace']} ({me['environment']}), kept in {path}"],
        document={
            "url": found.url,
            "marketplace": me["marketplace"],
            "environment": me["environment"],
            "scopes": me["scopes"],
            "file": str(path),
        },
    )


def _key() -> str:
    """Ask for the key without echo. From a program, read the first line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("API key", hide_input=True, err=True)).strip()
    return sys.stdin.readline().strip()
