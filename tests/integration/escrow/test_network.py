"""Checks of a network before its first order; each test removes one precondition."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import AuthorizationFlag, Keypair, ManageData, Network, SetOptions

from deploy.local.devnet import network_info
from deploy.local.ports import free_port
from deploy.local.settings import child_environment
from services.escrow.app import House
from services.escrow.contracts.intents import DeployEscrow, Roles
from services.escrow.operating.network import NetworkFinding, NetworkFindingState
from services.escrow.stellar.nodes import NEWEST_PROTOCOL
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_places import DEPLOY, args_of
from tests.integration.escrow.world import World, post, settings
from tests.patience import until

WELL, WRONG, UNKNOWN = (
    NetworkFindingState.WELL,
    NetworkFindingState.WRONG,
    NetworkFindingState.UNKNOWN,
)
CONTRACT = "CA3D5KRYM6CB7OWQ6TWYRR3Z4T7GNZLKERYNZGGA5SOAOPIFY6YQGAXE"
HASH = "ab" * 32
Findings = dict[str, NetworkFinding]
Check = Callable[..., Any]


@pytest.fixture(scope="module")
async def stranger(devnet: RunningDevnet) -> Stranger:
    """Somebody with lumens and the asset."""
    made = Stranger(devnet.info)
    await made.come(amount="1.00")
    return made


@asynccontextmanager
async def house(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    folder: Path,
    **changed: Any,
) -> AsyncIterator[House]:
    """A house that has keys, and has done nothing on the network."""
    database = make_database()
    given = settings(database=database, devnet=devnet, folder=str(folder), **changed)
    made = House(given)
    try:
        await made.ensure_platform()
        yield made
    finally:
        await made.close()
        await made.database.close()
        database.drop()


@pytest.fixture
def checked(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> Check:
    """Check a network with some settings changed."""

    async def check(**changed: Any) -> Findings:
        async with house(make_database, devnet, tmp_path, **changed) as made:
            return by_name(await made.network().run())

    return check


def by_name(findings: Any) -> Findings:
    """Return the findings by name. Each name must occur once."""
    found = {finding.name: finding for finding in findings}
    assert len(found) == len(findings) == 15
    assert all(bool(one.todo) == (one.state is WRONG) for one in findings)
    return found


def wrong(findings: Findings) -> set[str]:
    """Return the names of the findings that are wrong."""
    return {name for name, finding in findings.items() if finding.state is WRONG}


async def test_ready_network_has_no_finding_that_is_wrong(world: World) -> None:
    found = by_name(await world.house.network().run())

    assert {name for name, finding in found.items() if finding.state is not WELL} == set()


async def test_node_of_another_network_is_reported(checked: Check) -> None:
    found = await checked(stellar_network_passphrase="Another network")

    assert wrong(found) == {"passphrase"}
    assert "node 1" in found["passphrase"].says
    assert found["code"].state is UNKNOWN


async def test_newer_protocol_is_reported(checked: Check, devnet: RunningDevnet) -> None:
    newer = NEWEST_PROTOCOL + 1

    found = await checked(stellar_rpc_url=f"{devnet.url}/nodes/protocol-{newer}/rpc")

    assert "protocol" in wrong(found)
    assert str(newer) in found["protocol"].says


async def test_node_with_short_retention_is_reported(checked: Check, devnet: RunningDevnet) -> None:
    spare = f"{devnet.url}/nodes/short-100/rpc"

    found = await checked(stellar_rpc_spare_urls=spare)

    assert "history" in wrong(found)
    assert "node 2" in found["history"].says


@pytest.mark.usefixtures("stranger")
async def test_node_without_classic_events_is_reported(
    checked: Check, devnet: RunningDevnet
) -> None:
    found = await checked(stellar_rpc_url=f"{devnet.url}/nodes/quiet/rpc")

    assert "events" in wrong(found)


async def test_lagging_node_is_reported(world: World) -> None:
    late = f"{world.devnet.url}/nodes/behind-60/rpc"
    checks = world.house.network()
    changed = world.house.settings.model_copy(update={"stellar_rpc_spare_urls": late})
    checks._expected = replace(checks._expected, lag_seconds_max=1)
    other = House(changed)
    checks._chain = other.chain
    found: Findings = {}

    async def lags() -> bool:
        found.update(by_name(await checks.run()))
        return "lag" in wrong(found)

    try:
        await until(lags)
    finally:
        await other.close()
        await other.database.close()

    assert "node 2" in found["lag"].says
    assert "node 1" not in found["lag"].says


async def test_node_that_does_not_answer_is_reported(checked: Check) -> None:
    dead = f"http://127.0.0.1:{free_port()}/rpc"

    found = await checked(stellar_rpc_spare_urls=dead)
    alone = await checked(stellar_rpc_url=dead)

    assert "nodes" in wrong(found)
    assert "node 2" in found["nodes"].says
    assert found["passphrase"].state is WELL
    assert wrong(alone) == {"nodes"}
    assert {one.state for name, one in alone.items() if name != "nodes"} == {UNKNOWN}


async def test_missing_code_is_reported(checked: Check) -> None:
    found = await checked(escrow_wasm_hash=HASH, escrow_builds=f'{{"{HASH}": "B"}}')

    assert {"code", "factory"} <= wrong(found)
    assert "has no code" in found["code"].says


async def test_factory_that_is_missing_or_another_contract_is_reported(
    checked: Check, devnet: RunningDevnet
) -> None:
    spare = await checked(escrow_spare_factory_ids=CONTRACT)
    other = await checked(escrow_factory_id=str(devnet.info["assetContractId"]))

    assert "factory" in wrong(spare) & wrong(other)
    assert CONTRACT in spare["factory"].says
    assert "other code" in other["factory"].says


async def test_factory_that_holds_an_escrow_is_reported(
    checked: Check, world: World, stranger: Stranger
) -> None:
    own = world.house.settings
    someone = stranger.address
    intent = DeployEscrow(
        signer=someone,
        factory=own.escrow_factory_id,
        wasm_hash=own.escrow_wasm_hash,
        salt=bytes(range(32)),
        roles=Roles(
            approver=someone,
            service_provider=own.trustless_work_fee_address,
            platform=someone,
            release_signer=someone,
            dispute_resolver=someone,
            receiver=own.trustless_work_fee_address,
        ),
        amount=10_000_000,
        platform_fee_bps=0,
        title="Order",
        description="Nothing",
        engagement_id="ord_1",
        milestones=("1",),
    )
    args = args_of(world, intent)
    await stranger.call(own.escrow_factory_id, DEPLOY, args)
    used = world.house.chain.predict_contract_id(intent)

    found = await checked(escrow_spare_factory_ids=used)

    assert "factory" in wrong(found)
    assert "holds an escrow" in found["factory"].says


async def test_asset_without_a_contract_is_reported(checked: Check) -> None:
    found = await checked(usdc_issuer=Keypair.random().public_key)

    assert "asset" in wrong(found)


async def test_issuer_that_must_authorize_each_trustline_is_reported(
    checked: Check, stranger: Stranger, devnet: RunningDevnet
) -> None:
    usual = await checked()
    absent = await checked(usdc_issuer=Keypair.random().public_key)
    key = Keypair.random()
    await stranger.make_account(key.public_key, lumens="20")
    flags = AuthorizationFlag.AUTHORIZATION_REQUIRED | AuthorizationFlag.AUTHORIZATION_REVOCABLE
    await Stranger(devnet.info, secret=key.secret).send(SetOptions(set_flags=flags))
    strict = await checked(usdc_issuer=key.public_key)

    assert usual["issuer"].state is WELL
    assert {"issuer", "asset"} <= wrong(absent) & wrong(strict)
    assert "has no account" in absent["issuer"].says
    assert "authorizes every line by hand" in strict["issuer"].says


async def test_platform_without_an_account_or_trustline_is_reported(
    checked: Check, stranger: Stranger
) -> None:
    key = Keypair.random()
    absent = await checked(platform_secret=key.secret)
    await stranger.make_account(key.public_key, lumens="100")
    bare = await checked(platform_secret=key.secret)

    assert {"platform", "resolver"} <= wrong(absent)
    assert "has no account" in absent["platform"].says
    assert absent["runway"].state is UNKNOWN
    assert "does not trust" in bare["platform"].says
    assert bare["resolver"].state is WELL


async def test_frozen_trustline_is_reported(checked: Check, devnet: RunningDevnet) -> None:
    frozen = Stranger(devnet.info)
    await frozen.come(amount="1.00")
    body = {"action": "freeze", "address": frozen.address}
    await asyncio.to_thread(post, f"{devnet.url}/issuer", body)

    found = await checked(trustless_work_fee_address=frozen.address, platform_secret=frozen.secret)

    assert {"provider", "platform"} <= wrong(found)
    assert "frozen" in found["provider"].says
    assert "ask Trustless Work" in found["provider"].todo
    assert "ask the issuer" in found["platform"].todo


async def test_too_few_lumens_are_reported(checked: Check, stranger: Stranger) -> None:
    key = Keypair.random()
    await stranger.make_account(key.public_key, lumens="20")

    found = await checked(platform_secret=key.secret)

    assert "runway" in wrong(found)
    # An account without entries of its own locks 1 XLM.
    assert "19.00 XLM pay for about" in found["runway"].says
    assert "or reserve 12 wallets; 1.00 XLM are locked" in found["runway"].says
    assert key.public_key in found["runway"].todo


async def test_locked_lumens_are_not_counted_as_spendable(
    checked: Check, stranger: Stranger, devnet: RunningDevnet
) -> None:
    key = Keypair.random()
    await stranger.make_account(key.public_key, lumens="100")
    before = await checked(platform_secret=key.secret)
    # Each of its own 60 entries locks 0.5 XLM.
    entries = [ManageData(f"note-{number}", b"1") for number in range(60)]
    await Stranger(devnet.info, secret=key.secret).send(*entries)
    after = await checked(platform_secret=key.secret)

    assert "; 1.00 XLM are locked" in before["runway"].says
    assert "; 31.00 XLM are locked" in after["runway"].says
    assert after["runway"].says.startswith("69.00 XLM pay for")


async def test_sponsored_reserves_are_counted_as_locked(world: World) -> None:
    await world.wallet()
    platform = await world.house.keyring.platform()

    account = await world.house.chain.account(platform.address)

    assert account is not None
    # A wallet is an account and a trustline: three reserves of 0.5 XLM.
    assert account.sponsored >= 3
    assert account.locked >= (2 + account.sponsored) * 5_000_000


@pytest.fixture(scope="module")
def dear(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A network named as the test network, where entries live for seven days and cost a lot."""
    home = tmp_path_factory.mktemp("devnet")
    environment = child_environment(
        DEVNET_LEDGER_SECONDS="0.05",
        DEVNET_TTL="test",
        DEVNET_RENT="1000000",
        STELLAR_NETWORK_PASSPHRASE=Network.TESTNET_NETWORK_PASSPHRASE,
    )
    made = RunningDevnet(
        home=home,
        port=free_port(),
        log_folder=home,
        is_forked=True,
        environment=environment,
        info={},
    )
    made.start()
    try:
        made.wait_ready()
        made.info = network_info(made.url)
        yield made
    finally:
        made.stop()


def known(devnet: RunningDevnet) -> dict[str, Any]:
    """Name the build of a network."""
    return {"escrow_builds": f'{{"{devnet.info["wasmHash"]}": "B"}}'}


async def test_unknown_build_on_a_public_network_is_reported(
    make_database: Callable[[], TestDatabase], dear: RunningDevnet, tmp_path: Path
) -> None:
    async with house(make_database, dear, tmp_path) as made:
        found = by_name(await made.network().run())

    assert "is an unknown build" in found["code"].says
    assert "code" in wrong(found)


async def test_entries_close_to_their_expiry_and_an_expensive_deployment_are_reported(
    make_database: Callable[[], TestDatabase], dear: RunningDevnet, tmp_path: Path
) -> None:
    # The first ledger's code and factory live for 3,110,400 ledgers.
    await asyncio.to_thread(post, f"{dear.url}/ledgers", {"skip": 3_000_000})
    rich = Stranger(dear.info)
    await rich.come(amount="1.00")
    given = {"platform_secret": rich.secret, "escrow_max_fee_lumens": 1, **known(dear)}

    async with house(make_database, dear, tmp_path, **given) as made:
        found = by_name(await made.network().run())

    assert wrong(found) == {"code", "factory", "deployment"}
    assert "archived in 6 days" in found["code"].says
    assert "1.00 XLM is the limit" in found["deployment"].says


async def test_archived_code_is_reported(
    make_database: Callable[[], TestDatabase], dear: RunningDevnet, tmp_path: Path
) -> None:
    await asyncio.to_thread(post, f"{dear.url}/archive", {})

    async with house(make_database, dear, tmp_path, **known(dear)) as made:
        found: Findings = {}

        async def is_archived() -> bool:
            found.update(by_name(await made.network().run()))
            return found["code"].says.endswith("it is archived")

        await until(is_archived)

    assert {"code", "factory"} <= wrong(found)
