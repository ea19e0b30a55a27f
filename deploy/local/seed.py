"""The demo marketplace's API key, made by the gateway's own program: only it knows their form."""

import subprocess
from collections.abc import Mapping

import psycopg

from deploy.local.process import NotReadyError, python_module
from deploy.local.settings import ROOT

MARKETPLACE = "demo"
SCOPES = "read,write,support,admin"
# The public part of a key: ohk_live_<id>_<secret>.
_ID_PART = 2


def make_api_key(environment: Mapping[str, str]) -> str:
    """Make a key with every scope; the marketplace is made where it is missing.

    environment: the gateway's.
    Raises: NotReadyError: the gateway's program refused.
    """
    arguments = ("gateway.keys", "create", "--marketplace", MARKETPLACE, "--scopes", SCOPES)
    done = subprocess.run(
        python_module(*arguments),
        env=dict(environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotReadyError("gateway.keys", done.returncode, done.stderr.strip())
    return done.stdout.strip().splitlines()[-1]


def is_known(api_key: str, *, environment: Mapping[str, str]) -> bool:
    """Tell whether a key of an earlier start is in this database and not revoked."""
    statement = "select 1 from gateway.api_keys where id = %s and revoked_at is null"
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        found = connection.execute(statement, (api_key.split("_")[_ID_PART],)).fetchone()
    return found is not None
