"""`make sdks`: the tutorials of the Stellar SDKs and of Trustless Work's client, on a devnet.

The newest and the previous major version of the Python and the JavaScript SDK. Exit code: 0 when
everything works.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.local.devnet import Devnet
from deploy.local.ports import free_port
from deploy.local.settings import child_environment

HERE = Path(__file__).parent
DEADLINE_SECONDS = 300


def main(modules: Path, previous_python: Path) -> int:
    """Run every tutorial. modules: where npm installed. Returns: the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        devnet = Devnet(
            home=Path(folder) / "ledger",
            port=free_port(),
            log_folder=Path(folder),
            environment=child_environment(
                DEVNET_LEDGER_SECONDS="0.1", DEVNET_META="full", DEVNET_TW_RATE_LIMIT="0"
            ),
        )
        devnet.start()
        devnet.wait_ready()
        try:
            failed = [
                command
                for command in _commands(modules, previous_python)
                if _fails(command, devnet)
            ]
        finally:
            devnet.stop()
    return 1 if failed else 0


def _commands(modules: Path, previous_python: Path) -> list[Sequence[str]]:
    # Node finds packages beside a script only, so the scripts are where the packages are.
    scripts = {script.name: modules / script.name for script in HERE.glob("*.mjs")}
    for name, place in scripts.items():
        place.write_text((HERE / name).read_text(encoding="utf-8"), encoding="utf-8")
    tutorial = str(HERE / "stellar_tutorial.py")
    return [
        [sys.executable, tutorial],
        [str(previous_python), tutorial],
        ["node", str(scripts["stellar.mjs"]), "@stellar/stellar-sdk"],
        ["node", str(scripts["stellar.mjs"]), "previous-stellar-sdk"],
        ["node", str(scripts["trustless_work.mjs"])],
    ]


def _fails(command: Sequence[str], devnet: Devnet) -> bool:
    done = subprocess.run([*command, devnet.url], check=False, timeout=DEADLINE_SECONDS)
    if done.returncode:
        sys.stderr.write(f"{' '.join(command[1:])}: failed\n")
    return bool(done.returncode)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
