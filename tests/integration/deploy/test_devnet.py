"""The devnet as a child process, and the chain as the demo reads it."""

from pathlib import Path

import httpx
from stellar_sdk import Keypair

from deploy.local.demo.chain import Chain
from deploy.local.devnet import Devnet
from deploy.local.ports import free_port
from deploy.local.settings import child_environment
from deploy.local.stack import chain_settings


def test_a_devnet_reports_every_setting_that_escrow_needs(devnet: Devnet) -> None:
    settings = chain_settings(devnet.url)

    assert settings["STELLAR_RPC_URL"] == f"{devnet.url}/rpc"
    assert settings["USDC_ISSUER"].startswith("G")
    assert settings["ESCROW_FACTORY_ID"].startswith("C")
    assert all(settings.values())


async def test_the_faucets_own_balance_is_read_from_the_rpc(devnet: Devnet) -> None:
    async with httpx.AsyncClient(base_url=devnet.url) as client:
        info = (await client.get("/network-info")).json()
    stack = {
        "rpcUrl": info["rpcUrl"],
        "usdcIssuer": info["usdcIssuer"],
        "networkPassphrase": info["networkPassphrase"],
    }

    async with Chain.of(stack) as chain:
        rich = await chain.account_balance(info["distributorAddress"])
        stranger = await chain.account_balance(Keypair.random().public_key)
        contract = await chain.contract_balance(info["factoryId"])

    assert rich > 0
    assert stranger == 0
    assert contract == 0


def test_a_devnet_keeps_its_ledger_over_kill_9(tmp_path: Path) -> None:
    devnet = Devnet(
        home=tmp_path / "devnet",
        port=free_port(),
        log_folder=tmp_path / "logs",
        environment=child_environment(DEVNET_LEDGER_SECONDS="0.05"),
    )

    def latest() -> int:
        body = {"jsonrpc": "2.0", "id": 1, "method": "getLatestLedger"}
        sequence: int = httpx.post(f"{devnet.url}/rpc", json=body).json()["result"]["sequence"]
        return sequence

    try:
        devnet.start()
        devnet.wait_ready()
        before = latest()
        devnet.kill()
        devnet.start()
        devnet.wait_ready()
        after = latest()
    finally:
        code = devnet.stop()

    assert after >= before
    assert code == 0
