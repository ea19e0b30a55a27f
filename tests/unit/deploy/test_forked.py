"""The imports of a stack's processes: shared modules once, and no unused library."""

import subprocess
import sys

from deploy.local import forked
from deploy.local.settings import ROOT, child_environment

PROGRAMS = (
    "services.orders",
    "services.ledger",
    "services.escrow",
    "services.disputes",
    "services.webhooks",
    "gateway",
    "devnet",
)
# They are installed, and libraries import them if they find them.
UNUSED = {"chardet", "pygments", "rich", "watchfiles"}


def imported(program: str, *arguments: str) -> list[str]:
    """Run a Python program that prints names of modules, and return them."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=child_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_forked_program_imports_only_its_own_main_module() -> None:
    program = (
        "import importlib, sys\n"
        "code, programs = (argument.split() for argument in sys.argv[1:])\n"
        "for name in code: importlib.import_module(name)\n"
        "loaded = set(sys.modules)\n"
        "for name in programs: importlib.import_module(f'{name}.__main__')\n"
        "print(*(set(sys.modules) - loaded), *({name.split('.')[0] for name in loaded}))\n"
    )

    named = imported(program, " ".join(forked.CODE), " ".join(PROGRAMS))

    assert set(named[: len(PROGRAMS)]) == {f"{name}.__main__" for name in PROGRAMS}
    assert not UNUSED & set(named)


def test_supervisor_imports_no_library_that_it_does_not_use() -> None:
    program = "import sys, deploy.local.__main__; print(*sys.modules)"

    assert not (UNUSED | {"aiohttp"}) & set(imported(program))
