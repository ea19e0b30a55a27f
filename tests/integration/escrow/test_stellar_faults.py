"""Faults between escrow and the node or provider, and the evidence that each gives."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from deploy.local.devnet import Devnet, network_info
from kernel.money import UNIT
from services.escrow.contracts.evidence import OutcomeStatus, SubmitStatus
from services.escrow.contracts.intents import Intent, TrustAsset
from services.escrow.ports import (
    ChainThrottled,
    ChainUnavailable,
    EnvelopeRefused,
    TrustlessWorkOptions,
)
from services.escrow.stellar.connect import connect
from tests.integration.escrow.stellar_world import (
    AMOUNT,
    World,
    devnet_without_limit,
    open_world,
    options_of,
    provider_of,
)


@pytest.fixture(scope="module")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with devnet_without_limit(tmp_path_factory.mktemp("devnet")) as running:
        yield running


@pytest.fixture(scope="module")
def info(devnet: Devnet) -> dict[str, Any]:
    return network_info(devnet.url)


@pytest.fixture(scope="module")
async def world(info: dict[str, Any]) -> AsyncIterator[World]:
    opened = await open_world(options_of(info, read_attempts=2))
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def provided(info: dict[str, Any]) -> AsyncIterator[World]:
    opened = await open_world(options_of(info), trustless_work=provider_of(info))
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
async def faults(devnet: Devnet) -> AsyncIterator["Faults"]:
    async with aiohttp.ClientSession() as session:
        switchboard = Faults(session, f"{devnet.url}/faults")
        yield switchboard
        async with session.delete(switchboard.url) as answer:
            assert answer.status == 200


class Faults:
    """Arms faults of the devnet."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def arm(self, kind: str, **details: Any) -> None:
        async with self._session.post(self.url, json={"kind": kind, **details}) as answer:
            assert answer.status == 200, await answer.text()


@pytest.mark.parametrize("mode", ["close", "504"])
async def test_an_answer_lost_after_inclusion_is_found_by_hash(
    world: World, faults: Faults, mode: str
) -> None:
    escrow = await world.deployed()
    prepared = await world.sign(world.funding(escrow))
    await faults.arm("lost_answer", mode=mode)

    with pytest.raises(ChainUnavailable):
        await world.chain.submit(prepared.envelope_xdr)
    outcome = await world.landed(prepared)

    view = await world.view(escrow.contract_id)
    assert outcome.status is OutcomeStatus.SUCCEEDED
    assert view.balance == AMOUNT


async def test_busy_node_queues_nothing_and_accepts_the_same_bytes_later(
    world: World, faults: Faults
) -> None:
    escrow = await world.deployed()
    prepared = await world.sign(world.funding(escrow))
    await faults.arm("try_again_later")

    busy = await world.chain.submit(prepared.envelope_xdr)
    later = await world.chain.submit(prepared.envelope_xdr)
    outcome = await world.landed(prepared)

    assert busy.status is SubmitStatus.TRY_AGAIN_LATER
    assert later.status is SubmitStatus.PENDING
    assert outcome.status is OutcomeStatus.SUCCEEDED


async def test_a_transaction_that_fails_on_the_ledger_is_evidence(
    world: World, faults: Faults
) -> None:
    escrow = await world.deployed()
    prepared = await world.sign(world.funding(escrow))
    await faults.arm("fail_at_apply")

    await world.chain.submit(prepared.envelope_xdr)
    outcome = await world.landed(prepared)

    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.code.startswith("INVOKE_HOST_FUNCTION")
    assert outcome.payments == ()


async def test_contract_error_on_the_ledger_names_the_contract(world: World) -> None:
    escrow = await world.funded()
    await world.perform(world.completion(escrow))
    one = await world.new_signer()
    assert await world.chain.fund_with_friendbot(one)
    first = await world.sign(world.approval(escrow))
    second = await world.sign(world.approval(escrow), source=one)

    await world.chain.submit(first.envelope_xdr)
    await world.landed(first)
    await world.chain.submit(second.envelope_xdr)
    outcome = await world.landed(second)

    error = outcome.contract_error
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.code == "INVOKE_HOST_FUNCTION_TRAPPED"
    assert error is not None
    assert (error.contract_id, error.code) == (escrow.contract_id, 29)


async def test_transaction_that_is_not_found_has_not_failed(world: World, faults: Faults) -> None:
    escrow = await world.deployed()
    prepared = await world.sign(world.funding(escrow))
    await world.chain.submit(prepared.envelope_xdr)
    await world.landed(prepared)
    await faults.arm("not_found")

    hidden = await world.chain.outcome(prepared.hash)
    shown = await world.chain.outcome(prepared.hash)

    assert hidden.status is OutcomeStatus.NOT_FOUND
    assert shown.status is OutcomeStatus.SUCCEEDED


async def test_failing_read_is_retried_and_then_unavailable(world: World, faults: Faults) -> None:
    await faults.arm("rpc_down", function="getLatestLedger", count=1)
    assert (await world.chain.latest_ledger()).sequence > 0

    await faults.arm("rpc_down", function="getLatestLedger", count=2)
    with pytest.raises(ChainUnavailable):
        await world.chain.latest_ledger()


async def test_rate_limit_of_a_node_has_its_own_error(world: World, faults: Faults) -> None:
    await faults.arm("rpc_down", function="getLatestLedger", count=2, mode="429")

    with pytest.raises(ChainThrottled):
        await world.chain.latest_ledger()


async def test_missing_node_is_unavailable(info: dict[str, Any]) -> None:
    gone = options_of(info, rpc_url="http://127.0.0.1:9/rpc", read_attempts=1)
    chain, _ = connect(gone)

    with pytest.raises(ChainUnavailable):
        await chain.latest_ledger()
    with pytest.raises(ChainUnavailable):
        await chain.submit("AAAA")

    await chain.close()


async def test_an_envelope_for_another_network_is_refused_by_the_network(
    info: dict[str, Any],
) -> None:
    other = await open_world(options_of(info))
    elsewhere = options_of(info, network_passphrase="Elsewhere ; 2026")
    chain, builder = connect(elsewhere)
    intent = TrustAsset(account=other.platform)
    frame: dict[str, Any] = {"source": other.channel, "sequence": 1, "max_time": 2**31}
    unsigned = await builder.build(intent, **frame)
    prepared = await chain.verify_and_sign(unsigned, intent, **frame, signers=other.signers)

    submission = await chain.submit(prepared.envelope_xdr)

    assert submission.status is SubmitStatus.REFUSED
    await chain.close()
    await other.close()


@pytest.mark.parametrize("mode", ["amount", "receiver", "payment"])
@pytest.mark.parametrize(
    "function",
    [
        "tw_new_single_release_escrow",
        "fund_escrow",
        "change_milestone_status",
        "approve_milestone",
        "release_funds",
        "dispute_escrow",
        "resolve_dispute",
    ],
)
async def test_transaction_of_the_provider_that_differs_from_the_intent_is_refused(
    provided: World, faults: Faults, mode: str, function: str, prepared_orders: dict[str, Intent]
) -> None:
    intent = prepared_orders[function]
    await faults.arm("evil_rest", mode=mode, function=function)

    with pytest.raises(EnvelopeRefused):
        await provided.sign(intent)


@pytest.fixture(scope="module")
async def prepared_orders(provided: World) -> dict[str, Intent]:
    """Orders in the states that each call requires."""
    new = await provided.deployed()
    funded = await provided.funded()
    disputed = await provided.funded()
    await provided.perform(provided.dispute(disputed))
    approved = await provided.funded()
    await provided.perform(provided.approval(approved))
    return {
        "tw_new_single_release_escrow": provided.deployment(),
        "fund_escrow": provided.funding(new),
        "change_milestone_status": provided.completion(funded),
        "approve_milestone": provided.approval(funded),
        "release_funds": provided.release(approved),
        "dispute_escrow": provided.dispute(funded),
        "resolve_dispute": provided.resolution(disputed, buyer=30 * UNIT, seller=50 * UNIT),
    }


async def test_a_provider_that_refuses_the_key_is_unavailable(
    info: dict[str, Any], world: World
) -> None:
    wrong = TrustlessWorkOptions(url=info["trustlessWorkUrl"], api_key="wrong")
    chain, builder = connect(world.options, trustless_work=wrong)

    with pytest.raises(ChainUnavailable, match="401"):
        await builder.build(world.deployment(), source=world.channel, sequence=1, max_time=2**31)

    await builder.close()
    await chain.close()
