"""The demo marketplace's API key, made by the gateway's own program: only it knows their form."""

import subprocess
from collections.abc import Mapping

from deploy.local.process import NotReadyError, python_module
from deploy.local.settings import ROOT

MARKETPLACE = "demo"
SCOPES = "read,write,support,admin"


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
