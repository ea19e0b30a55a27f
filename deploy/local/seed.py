"""Creates API keys with the gateway's own program; only that program knows their format."""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from deploy.local.process import Command, NotReadyError, Process, python_module
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
    is_forked: bool = False,
) -> str:
    """Create a key, and its marketplace if it is missing.

    settings: of the gateway. environment: live or test; the two are separate marketplaces.
    is_forked: see `Command`.
    Raises: NotReadyError: the gateway's program refused.
    """
    arguments = ("--marketplace", marketplace, "--environment", environment, "--scopes", scopes)
    argv = python_module("gateway.keytool", "create", *arguments)
    code, said = _forked(argv, settings) if is_forked else _started(argv, settings)
    if code != 0:
        raise NotReadyError("gateway.keytool", code, said)
    return said.splitlines()[-1]


def _started(argv: Sequence[str], settings: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        argv, env=dict(settings), cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).strip()


def _forked(argv: Sequence[str], settings: Mapping[str, str]) -> tuple[int, str]:
    # The key is printed into a private folder, which is deleted at once.
    with tempfile.TemporaryDirectory() as folder:
        command = Command(
            name="keytool", argv=argv, environment=settings, folder=ROOT, is_forked=True
        )
        process = Process(command, Path(folder, "said"))
        process.wait_until(lambda: process.exit_code() is not None)
        return process.stop(), process.log().strip()


def is_known(api_key: str, *, settings: Mapping[str, str]) -> bool:
    """Return whether a key from an earlier start is in this database and is not revoked."""
    statement = "select 1 from gateway.api_keys where id = %s and revoked_at is null"
    with psycopg.connect(settings["DATABASE_URL"]) as connection:
        found = connection.execute(statement, (api_key.split("_")[_ID_PART],)).fetchone()
    return found is not None
