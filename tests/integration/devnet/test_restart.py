"""The process: state survives `kill -9`, a wrong setting is named, SIGTERM stops it cleanly."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.devnet import Devnet
from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment
from tests.integration.devnet import escrows
from tests.integration.devnet.chain import UNIT, address_value, connect
from tests.integration.devnet.conftest import start
from tests.patience import PATIENCE_SECONDS


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Devnet]:
    """A devnet of one test alone."""
    running = start(tmp_path)
    yield running
    running.stop()


async def test_killing_the_process_loses_nothing_that_readers_saw(lonely: Devnet) -> None:
    async with connect(lonely.url) as chain:
        cast = await escrows.assemble(chain)
        contract = await escrows.deploy(chain, cast)
        funded = await escrows.fund(chain, cast, contract)
        before = await chain.rpc.get_latest_ledger()
        events = await chain.rpc.get_events(start_ledger=1, limit=1000)
    info = chain.info

    lonely.kill()
    lonely.start()
    lonely.wait_ready()

    async with connect(lonely.url) as chain:
        assert chain.info == info
        assert (await chain.rpc.get_latest_ledger()).sequence >= before.sequence
        found = await chain.landed(funded.answer.transaction_hash)
        assert found.answer.result_meta_xdr == funded.answer.result_meta_xdr
        again = await chain.rpc.get_events(start_ledger=1, limit=1000)
        assert again.events == events.events
        for step in (escrows.deliver, escrows.approve, escrows.release):
            assert (await step(chain, cast, contract)).ok
        assert await chain.usdc_of(cast.seller.public_key) == 797_600_000
        assert await chain.usdc_of(cast.buyer.public_key) == 20 * UNIT


async def test_a_queued_transaction_can_be_sent_again_after_a_restart(lonely: Devnet) -> None:
    async with connect(lonely.url) as chain:
        cast = await escrows.assemble(chain)
        contract = await escrows.deploy(chain, cast)
        await chain.arm("hold")
        envelope = await chain.prepared(
            cast.buyer, contract, "dispute_escrow", [address_value(cast.buyer)]
        )
        await chain.rpc.send_transaction(envelope)

    lonely.kill()
    lonely.start()
    lonely.wait_ready()

    async with connect(lonely.url) as chain:
        assert (await chain.land(envelope)).ok


def test_sigterm_ends_with_zero(tmp_path: Path) -> None:
    running = start(tmp_path)

    assert running.stop() == 0


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python_module("devnet"),
        cwd=ROOT,
        env=child_environment(**{"DEVNET_PORT": "0", "DEVNET_DATA_DIR": str(folder)} | environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_a_wrong_setting_is_one_line_and_exit_code_two(tmp_path: Path) -> None:
    done = run(tmp_path, DEVNET_LEDGER_SECONDS="soon")

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "DEVNET_LEDGER_SECONDS" in done.stderr


def test_the_data_of_another_network_is_refused(tmp_path: Path) -> None:
    running = start(tmp_path)
    running.stop()

    done = run(tmp_path / "ledger", STELLAR_NETWORK_PASSPHRASE="Another network")

    assert done.returncode == 2
    assert "belongs to the network" in done.stderr


def test_an_occupied_port_is_refused(own_devnet: Devnet, tmp_path: Path) -> None:
    done = run(tmp_path, DEVNET_PORT=str(own_devnet.port))

    assert done.returncode == 2
    assert "DEVNET_PORT" in done.stderr
