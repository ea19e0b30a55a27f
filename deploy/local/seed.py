"""API keys, made by the gateway's own program: only it knows their form."""

import subprocess
from collections.abc import Mapping

import psycopg

from deploy.local.process import NotReadyError, python_module
from deploy.local.settings import ROOT

MARKETPLACE = "demo"
SCOPES = "read,write,support,admin"
LIVE, TEST = "live", "test"
# The public part of a key: ohk_live_<id>_<secret>.
_ID_PART = 2


def make_api_key(
    settings: Mapping[str, str],
    *,
    environment: str,
    marketplace: str = MARKETPLACE,
    scopes: str = SCOPES,
) -> str:
    """Make a key; the marketplace is made where it is missing.

    settings: the gateway's. environment: live or test, which are two marketplaces.
    Raises: NotReadyError: the gateway's program refused.
    """
    arguments = ("--marketplace", marketplace, "--environment", environment, "--scopes", scopes)
    done = subprocess.run(
        python_module("gateway.keytool", "create", *arguments),
        env=dict(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotReadyError("gateway.keytool", done.returncode, done.stderr.strip())
    return done.stdout.strip().splitlines()[-1]


def is_known(api_key: str, *, settings: Mapping[str, str]) -> bool:
    """Tell whether a key of an earlier start is in this database and not revoked."""
    statement = "select 1 from gateway.api_keys where id = %s and revoked_at is null"
    with psycopg.connect(settings["DATABASE_URL"]) as connection:
        found = connection.execute(statement, (api_key.split("_")[_ID_PART],)).fetchone()
    return found is not None
