"""`make key MARKETPLACE=…`: an API key of a marketplace of the running stack.

The marketplace is made with its first key. `name:test` is its test environment.
"""

import argparse
import sys

from deploy.local import credentials, seed, settings, state
from deploy.local.process import NotReadyError
from deploy.local.wiring import Wiring


def main() -> int:
    """Print a key; returns the exit code of the program."""
    arguments = _arguments()
    read = settings.load()
    stack = state.read(read.run_dir)
    if stack is None:
        sys.stderr.write(f"no stack runs in {read.run_dir}; `make run` starts one\n")
        return 1
    wiring = Wiring(
        settings=read,
        credentials=credentials.load(read.run_dir),
        database_url=stack["databaseUrl"],
        nats_url=stack["natsAdminUrl"],
    )
    marketplace, _, environment = arguments.marketplace.partition(":")
    try:
        key = seed.make_api_key(
            wiring.gateway(),
            marketplace=marketplace,
            environment=environment or seed.LIVE,
            scopes=arguments.scopes,
        )
    except NotReadyError as error:
        sys.stderr.write(f"key: {error.log_tail.splitlines()[-1]}\n")
        return error.exit_code or 1
    print(key)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make key", description=__doc__)
    parser.add_argument("--marketplace", required=True, help="name, or name:test")
    parser.add_argument("--scopes", default=seed.SCOPES, help=f"of {seed.SCOPES}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
