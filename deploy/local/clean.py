"""`make clean`: delete a stopped stack's data, also what had to be placed outside of RUN_DIR."""

import shutil
import sys

from deploy.local import postgres, settings, state


def main() -> int:
    """Delete the RUN_DIR; returns the exit code of the program."""
    run_dir = settings.load().run_dir
    if state.is_running(run_dir):
        sys.stderr.write(f"a stack runs in {run_dir}; stop it first\n")
        return 1
    postgres.remove(run_dir / "postgres")
    shutil.rmtree(run_dir, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
