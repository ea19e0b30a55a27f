"""docs/grpc.md: the printed client works, and only with the grant that the page describes."""

import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.settings import ROOT, child_environment
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.operating import operate
from tests.runbook import blocks
from tests.running_stack import RunningStack
from tests.shop import until

PAGE = ROOT / "docs" / "grpc.md"


@dataclass
class Desk:
    """A marketplace with a user, and the printed client as a file."""

    tenant: Tenant
    user: str
    client: Path

    def register(self, name: str, *rpcs: str) -> Path:
        """Register a caller; returns the folder with its files."""
        named = [part for rpc in rpcs for part in ("--rpc", rpc)]
        whose = ("--scope", "read", "--marketplace", self.tenant.name)
        done = operate(self.tenant.stack.run_dir, "callers", "add", name, *named, *whose)
        assert done.returncode == 0, done.stderr
        return self.tenant.stack.run_dir / "callers" / name

    def run(self, folder: Path, *, marketplace: uuid.UUID | None = None) -> tuple[int, str]:
        """Run the client; returns its exit code and its output."""
        address = self.tenant.stack.document["services"]["ledger"]
        arguments = (str(folder), address, str(marketplace or self.tenant.id), self.user)
        done = subprocess.run(
            [sys.executable, str(self.client), *arguments],
            env=child_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
async def desk(stack: RunningStack, tmp_path: Path) -> AsyncIterator[Desk]:
    """A marketplace of this test alone."""
    [printed] = blocks("python", path=PAGE)
    client = tmp_path / "client.py"
    client.write_text(printed.text)
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        async with own.shop() as shop:
            user = (await shop.get(f"/users/{await shop.user()}"))["uuid"]
        yield Desk(tenant=own, user=user, client=client)


async def test_documented_client_can_call_only_while_it_is_granted(
    desk: Desk,
) -> None:
    run_dir = desk.tenant.stack.run_dir
    elsewhere = desk.register("stranger", "orders.GetOrder")

    # Another's papers: it is not billing, whatever it says.
    code, said = desk.run(elsewhere)
    assert (code, "UNAUTHENTICATED" in said) == (1, True), said

    folder = desk.register("billing", "ledger.GetBalance")

    async def answers() -> bool:
        return desk.run(folder) == (0, "0 minor units of USDC\n")

    await until(answers, what="the services did not read the trust file again")
    code, said = desk.run(folder, marketplace=uuid.uuid4())
    assert (code, "PERMISSION_DENIED" in said) == (1, True), said

    # A key that is added leaves the one before; one that is removed leaves none.
    before = (folder / "identity.pem").read_text()
    desk.register("billing", "ledger.GetBalance")
    after = (folder / "identity.pem").read_text()
    assert before != after
    await until(answers, what="the new key was not believed")
    (folder / "identity.pem").write_text(before)
    assert desk.run(folder)[0] == 0
    assert operate(run_dir, "callers", "remove", "billing").returncode == 0

    async def refused() -> bool:
        return "UNAUTHENTICATED" in desk.run(folder)[1]

    await until(refused, what="a caller that was removed is still believed")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ("gateway", "--rpc", "ledger.GetBalance"),
            "gateway is one of Orchestrator's own programs",
        ),
        (("billing", "--rpc", "ledger.Nothing"), "unknown RPC: ledger.Nothing"),
        (("Billing", "--rpc", "ledger.GetBalance"), "must be a name of small letters"),
        (("billing", "--rpc", "ledger.GetBalance", "--scope", "root"), "Input should be"),
    ],
)
def test_invalid_caller_is_refused_and_nothing_changes(
    stack: RunningStack, arguments: tuple[str, ...], why: str
) -> None:
    file = stack.run_dir / "identity" / "trust.json"
    before = file.read_text()

    done = operate(stack.run_dir, "callers", "add", *arguments, "--marketplace", "all")

    assert (done.returncode, why in done.stderr) == (1, True), done.stderr
    assert file.read_text() == before
