"""`pip install .` in a clean environment: typed stubs, the command, one top-level name."""

import asyncio
import json
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.settings import ROOT, child_environment
from kernel.version import VERSION
from tests.runbook import blocks
from tests.running_stack import RunningStack
from tests.shop import Shop

SECONDS = 180
# A program of somebody else's that has other things by the same names.
STRANGER = """
import orchestrator.ledger.v1.ledger_pb2 as ledger
import grpc
from orchestrator.ledger.v1.ledger_pb2_grpc import LedgerServiceStub
for name in ("kernel", "chassis", "services", "gateway", "deploy", "client", "gen", "buf"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} is there")
request = ledger.GetBalanceRequest(user_id="x", asset="USDC")
assert ledger.GetBalanceRequest.FromString(request.SerializeToString()) == request
"""
TYPED = """
from orchestrator.ledger.v1.ledger_pb2 import GetBalanceRequest
request = GetBalanceRequest(user_id=1)
"""
CLIENT_PAGE = ROOT / "docs" / "client.md"
CLIENT_TYPED = """
from orchestrator.client import Marketplace
api = Marketplace("", base_url="")
order = api.create_order(buyerId="a", sellerId="b", amount=80, title="Logo")
print(order["prize"], [user["email"] for user in api.list_users()])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A fresh environment with the package in it. folder: an empty one to run in."""

    home: Path
    folder: Path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, without the checkout."""
        return run(
            str(self.home / "bin" / command[0]), *command[1:], folder=self.folder, **environment
        )

    @property
    def packages(self) -> Path:
        """Where packages are installed in it."""
        [found] = (self.home / "lib").glob("python3*/site-packages")
        return found


def run(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = child_environment(**environment)
    del inherited["PYTHONPATH"]
    return subprocess.run(
        command,
        env=inherited,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build the wheel, and install it alone; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("package")
    home = folder / "environment"
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    built = run(
        *pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(folder), str(ROOT),
        folder=folder,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    [wheel] = folder.glob("*.whl")
    assert wheel.name == f"orchestrator-{VERSION}-py3-none-any.whl"
    made = run(sys.executable, "-m", "venv", "--without-pip", str(home), folder=folder)
    assert made.returncode == 0, made.stderr
    found = Installed(home=home, folder=folder)
    put = run(*pip, "--python", str(home / "bin/python"), "install", "--no-deps", str(wheel),
              folder=folder)  # fmt: skip
    assert put.returncode == 0, put.stderr
    (found.packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    return found


def test_package_installs_one_top_level_name(installed: Installed) -> None:
    there = {path.name for path in installed.packages.iterdir()}

    assert there == {"orchestrator", f"orchestrator-{VERSION}.dist-info", "dependencies.pth"}


def test_only_the_stubs_can_be_imported(installed: Installed) -> None:
    done = installed.run("python", "-c", STRANGER)

    assert done.returncode == 0, done.stderr


def test_stubs_are_typed(installed: Installed) -> None:
    program = installed.folder / "program.py"
    program.write_text(TYPED)

    done = run(
        sys.executable, "-m", "mypy", "--no-incremental", "--follow-imports=silent",
        "--python-executable", str(installed.home / "bin/python"), str(program),
        folder=installed.folder,
    )  # fmt: skip

    assert 'Argument "user_id" to "GetBalanceRequest" has incompatible type "int"' in done.stdout
    assert done.stdout.count("error:") == 1


@pytest.mark.slow
def test_installed_command_prints_its_help(installed: Installed) -> None:
    helped = installed.run("orchestrator", "--help")
    said = installed.run("orchestrator", "--version")
    completion = installed.run("orchestrator", _ORCHESTRATOR_COMPLETE="bash_source")

    assert (helped.returncode, "reconcile" in helped.stdout) == (0, True), helped.stderr
    assert said.stdout == f"orchestrator, version {VERSION}\n"
    assert "_orchestrator_completion" in completion.stdout


async def test_printed_programs_of_the_client_run(
    installed: Installed, stack: RunningStack, shop: Shop, tmp_path: Path
) -> None:
    purchase, listing = (printed.text for printed in blocks("python", path=CLIENT_PAGE))
    pair = await shop.pair(amount="80.00")
    place = (stack.url, str(stack.document["apiKey"]))
    (tmp_path / "purchase.py").write_text(purchase)
    (tmp_path / "listing.py").write_text(listing)

    bought = await asyncio.to_thread(
        installed.run, "python", str(tmp_path / "purchase.py"), *place, pair.buyer, pair.seller
    )
    listed = await asyncio.to_thread(
        installed.run, "python", str(tmp_path / "listing.py"), *place, pair.buyer
    )

    assert bought.stdout.splitlines() == ["CLOSED", "80.00", "409 INVALID_STATE"], bought.stderr
    assert listed.stdout == "Logo design CLOSED\n", listed.stderr


def test_the_client_is_typed(installed: Installed) -> None:
    program = installed.folder / "buyer.py"
    program.write_text(CLIENT_TYPED)

    done = run(
        sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--follow-imports=silent",
        "--python-executable", str(installed.home / "bin/python"), str(program),
        folder=installed.folder,
    )  # fmt: skip

    assert 'has incompatible type "int"' in done.stdout, done.stdout
    assert 'has no key "prize"' in done.stdout
    assert done.stdout.count("error:") == 2


@pytest.mark.slow
def test_installed_command_works_on_a_running_stack(
    installed: Installed, stack: RunningStack
) -> None:
    place = {"RUN_DIR": str(stack.run_dir)}

    doctor = installed.run("orchestrator", "doctor", "--json", **place)
    listed = installed.run("orchestrator", "marketplaces", "--json", **place)
    migrated = installed.run("orchestrator", "migrate", **place)
    made = installed.run("orchestrator", "keys", "issue", "--marketplace", "outside", **place)
    nowhere = installed.run("orchestrator", "marketplaces")
    triggered = installed.run(
        "orchestrator",
        "trigger",
        "order.canceled",
        ORCHESTRATOR_URL=stack.url,
        ORCHESTRATOR_API_KEY=str(stack.document["testKey"]),
        ORCHESTRATOR_FAUCET_URL=str(stack.document["faucetUrl"]),
    )

    assert json.loads(doctor.stdout)["isWell"] is True, doctor.stderr
    assert "demo" in {one["name"] for one in json.loads(listed.stdout)["marketplaces"]}
    assert (migrated.returncode, migrated.stdout.count("nothing to do")) == (0, 6)
    assert made.stdout.startswith("ohk_live_"), made.stderr
    assert triggered.stdout.startswith("order.canceled  ord_"), triggered.stderr
    assert (nowhere.returncode, "no stack runs in" in nowhere.stderr) == (2, True)
