"""`make clean`: deletes a stopped stack's data, including data outside of RUN_DIR.

Data is kept if keys of wallets or API keys depend on it, unless FORCE=1.
"""

import shutil
import sys
from pathlib import Path

from deploy.local import credentials, postgres, settings, state

DATABASE = "postgres"


def main() -> int:
    """Delete the RUN_DIR; returns the exit code of the program."""
    read = settings.load()
    run_dir = read.run_dir
    if state.is_running(run_dir):
        sys.stderr.write(f"a stack runs in {run_dir}; stop it first\n")
        return 1
    kept = _precious(run_dir, key_file=read.environment.get("KEY_FILE", ""))
    if kept and read.environment.get("FORCE") != "1":
        sys.stderr.write(f"kept {run_dir}: {kept}; FORCE=1 deletes it\n")
        return 0
    postgres.remove(run_dir / DATABASE)
    shutil.rmtree(run_dir, ignore_errors=True)
    return 0


def _precious(run_dir: Path, *, key_file: str) -> str:
    """Return which keys would be lost with a RUN_DIR; "" if none."""
    if (run_dir / DATABASE).exists():
        return "its database holds the keys of wallets"
    named = {Path(key_file).resolve()} if key_file else set()
    if any(run_dir.glob("*.key")) or any(run_dir in path.parents for path in named):
        return "it opens the keys of wallets that a database elsewhere holds"
    if (run_dir / credentials.FILE).exists():
        return "the API keys of a database elsewhere depend on it"
    return ""


if __name__ == "__main__":
    sys.exit(main())
