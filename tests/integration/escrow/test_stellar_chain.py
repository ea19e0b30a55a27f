"""The chain adapter on a devnet: transactions are built, verified, signed, sent and read back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import Asset, Keypair, xdr

from deploy.local.devnet import network_info
from kernel.money import CENT, UNIT
from services.escrow.contracts.evidence import OutcomeStatus, SubmitStatus
from services.escrow.contracts.intents import (
    CreateChannels,
    CreateWallet,
    PayAsset,
    SponsorChannels,
)
from services.escrow.ports import ChainRefused, EnvelopeRefused
from services.escrow.stellar.envelope import hash_of, wrap
from services.escrow.stellar.signing import MissingSigner
from services.escrow.stellar.wallets import SPONSORED_MAX
from tests.integration.escrow.stellar_world import (
    AMOUNT,
    VALID_SECONDS,
    World,
    devnet_without_limit,
    open_world,
    options_of,
    provider_of,
    stranger,
)


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with devnet_without_limit(tmp_path_factory.mktemp("devnet")) as running:
        yield network_info(running.url)


@pytest.fixture(scope="module", params=["direct", "trustless_work"])
async def world(info: dict[str, Any], request: pytest.FixtureRequest) -> AsyncIterator[World]:
    provider = provider_of(info) if request.param == "trustless_work" else None
    opened = await open_world(options_of(info), trustless_work=provider)
    yield opened
    await opened.close()


async def test_order_is_deployed_funded_and_released(world: World) -> None:
    escrow = await world.funded()
    before = await world.chain.asset_balances([world.seller])

    await world.perform(world.completion(escrow))
    await world.perform(world.approval(escrow))
    outcome = await world.perform(world.release(escrow))

    after = await world.view(escrow.contract_id)
    balances = await world.chain.asset_balances([world.seller, escrow.contract_id])
    paid = {payment.to_address: payment.amount for payment in outcome.payments}
    assert paid == {world.options.provider_fee_address: 2_400_000, world.seller: 797_600_000}
    assert (after.released, after.balance, after.milestones[0].approved) == (True, 0, True)
    assert (after.milestones[0].status, escrow.milestones[0].status) == ("completed", "pending")
    assert balances == {world.seller: before[world.seller] + 797_600_000, escrow.contract_id: 0}
    assert outcome.ledger > 0
    assert outcome.close_time > 0
    await world.builder.announce(transaction_hash=outcome.hash)


async def test_deployment_has_the_predicted_id_and_the_intended_terms(world: World) -> None:
    intent = world.deployment(platform_fee_bps=250)

    outcome = await world.perform(intent)

    view = await world.view(world.chain.predict_contract_id(intent))
    assert (view.amount, view.balance, view.platform_fee_bps) == (AMOUNT, 0, 250)
    assert (view.roles, view.engagement_id) == (intent.roles, "ord_1")
    assert (view.disputed, view.released, view.resolved) == (False, False, False)
    assert view.wasm_hash == world.options.wasm_hash
    assert not view.is_archived
    assert view.read_at_ledger > 0
    assert outcome.payments == ()


async def test_repeated_deployment_is_refused_before_sending(world: World) -> None:
    intent = world.deployment()
    await world.perform(intent)

    with pytest.raises(ChainRefused, match="ExistingValue"):
        await world.sign(intent)


async def test_funding_moves_the_amount_and_reports_it(world: World) -> None:
    escrow = await world.deployed()

    outcome = await world.perform(world.funding(escrow))

    (payment,) = outcome.payments
    view = await world.view(escrow.contract_id)
    assert (payment.from_address, payment.to_address) == (world.buyer, escrow.contract_id)
    assert (payment.amount, view.balance) == (AMOUNT, AMOUNT)


async def test_a_dispute_is_resolved_by_shares(world: World) -> None:
    escrow = await world.funded(platform_fee_bps=100)
    await world.perform(world.dispute(escrow))
    frozen = await world.view(escrow.contract_id)

    outcome = await world.perform(world.resolution(escrow, buyer=30 * UNIT, seller=50 * UNIT))

    after = await world.view(escrow.contract_id)
    paid = {payment.to_address: payment.amount for payment in outcome.payments}
    assert (frozen.disputed, frozen.balance) == (True, AMOUNT)
    assert (after.disputed, after.resolved, after.balance) == (False, True, 0)
    assert paid == {
        world.options.provider_fee_address: 2_400_000,
        world.platform: 8_000_000,
        world.buyer: 30 * UNIT * 9_870 // 10_000,
        world.seller: 50 * UNIT * 9_870 // 10_000,
    }
    assert sum(paid.values()) == AMOUNT


async def test_refusal_names_the_contract_and_its_error_number(world: World) -> None:
    escrow = await world.funded()

    with pytest.raises(ChainRefused) as refusal:
        await world.sign(world.release(escrow))

    error = refusal.value.contract_error
    assert error is not None
    assert (error.contract_id, error.code) == (escrow.contract_id, 5)
    assert "Error(Contract, #5)" in str(refusal.value)


async def test_refusals_of_asset_and_escrow_contract_are_distinguished(world: World) -> None:
    poor = await world.new_wallet()
    roles = replace(world.deployment().roles, approver=poor, release_signer=poor)
    escrow = await world.deployed(roles=roles)

    with pytest.raises(ChainRefused) as refusal:
        await world.sign(replace(world.funding(escrow), funder=poor))

    error = refusal.value.contract_error
    assert error is not None
    assert (error.contract_id, error.code) == (escrow.contract_id, 42)


def world_asset(world: World) -> str:
    return Asset("USDC", world.options.asset_issuer).contract_id(world.options.network_passphrase)


async def test_payee_without_a_trustline_is_refused_by_the_asset(world: World) -> None:
    bare = await world.new_signer()
    assert await world.chain.fund_with_friendbot(bare)

    with pytest.raises(ChainRefused) as refusal:
        await world.sign(PayAsset(from_address=world.platform, to_address=bare, amount=CENT))

    error = refusal.value.contract_error
    assert error is not None
    # The escrow contract's error 13 would mean "already in dispute".
    assert (error.contract_id, error.code) == (world_asset(world), 13)


async def test_the_platform_pays_a_wallet(world: World) -> None:
    before = await world.chain.asset_balances([world.platform, world.seller])

    pay = PayAsset(from_address=world.platform, to_address=world.seller, amount=2_400_000)
    outcome = await world.perform(pay)

    after = await world.chain.asset_balances([world.platform, world.seller])
    (payment,) = outcome.payments
    assert payment.amount == 2_400_000
    assert after[world.seller] - before[world.seller] == 2_400_000
    assert before[world.platform] - after[world.platform] == 2_400_000


async def test_wallet_is_created_in_one_transaction_without_lumens(world: World) -> None:
    account = await world.new_signer()

    await world.perform(CreateWallet(account=account, sponsor=world.platform))

    view = await world.chain.account(account)
    assert view is not None
    assert (view.lumens, view.asset_balance) == (0, 0)


async def test_wallet_is_not_created_twice(world: World) -> None:
    intent = CreateWallet(account=world.buyer, sponsor=world.platform)
    prepared = await world.sign(intent)

    await world.chain.submit(prepared.envelope_xdr)
    outcome = await world.landed(prepared)

    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.code == "CREATE_ACCOUNT_ALREADY_EXIST"


async def test_channel_accounts_are_created_in_one_transaction(world: World) -> None:
    channels = tuple([await world.new_signer() for _ in range(5)])
    intent = CreateChannels(funder=world.platform, channels=channels, starting_balance=20 * UNIT)

    await world.perform(intent, source=world.platform)

    views = [await world.chain.account(channel) for channel in channels]
    assert [view.lumens for view in views if view is not None] == [20 * UNIT] * 5


async def test_largest_number_of_sponsored_channel_accounts_is_created_at_once(
    world: World,
) -> None:
    channels = tuple([await world.new_signer() for _ in range(SPONSORED_MAX)])
    intent = SponsorChannels(sponsor=world.platform, channels=channels)
    before = await world.chain.account(world.platform)

    await world.perform(intent, source=world.platform)

    views = [await world.chain.account(channel) for channel in channels]
    after = await world.chain.account(world.platform)
    assert before is not None
    assert after is not None
    assert [(view.lumens, view.locked) for view in views if view is not None] == [
        (0, 0)
    ] * SPONSORED_MAX
    assert after.sponsored - before.sponsored == 2 * SPONSORED_MAX


async def test_fee_bumped_transaction_is_found_by_its_inner_and_outer_hash(world: World) -> None:
    channel = await world.new_signer()
    await world.perform(
        SponsorChannels(sponsor=world.platform, channels=(channel,)), source=world.platform
    )
    escrow = await world.deployed()
    had = await world.chain.lumens([world.platform])
    prepared = await world.sign(
        world.funding(escrow), source=channel, payer=world.signers[world.platform]
    )

    submission = await world.chain.submit(prepared.envelope_xdr)
    outcome = await world.landed(prepared)

    assert submission.status is SubmitStatus.PENDING
    assert (outcome.status, outcome.code) == (OutcomeStatus.SUCCEEDED, "txSUCCESS")
    outer = await world.chain.outcome(prepared.bump_hash)
    assert (outer.ledger, outer.payments) == (outcome.ledger, outcome.payments)
    for name in (prepared.hash, prepared.bump_hash):
        found = await world.chain.find(name)
        assert found is not None
        assert (found.hash, found.bump_hash) == (prepared.hash, prepared.bump_hash)
        assert (found.source, found.sequence) == (channel, prepared.sequence)
    has = await world.chain.lumens([world.platform, channel])
    assert (had[world.platform] - has[world.platform], has[channel]) == (outcome.fee, 0)
    assert outcome.fee <= prepared.max_fee


async def test_wallets_pay_no_network_fees_and_use_no_sequence_numbers(world: World) -> None:
    before = await world.chain.account(world.buyer)

    await world.funded()

    after = await world.chain.account(world.buyer)
    assert before is not None
    assert after is not None
    assert (after.lumens, after.sequence) == (before.lumens, before.sequence)


async def test_sending_the_same_bytes_twice_applies_them_once(world: World) -> None:
    escrow = await world.deployed()
    prepared = await world.sign(world.funding(escrow))

    first = await world.chain.submit(prepared.envelope_xdr)
    second = await world.chain.submit(prepared.envelope_xdr)
    await world.landed(prepared)
    late = await world.chain.submit(prepared.envelope_xdr)

    view = await world.view(escrow.contract_id)
    assert first.status is SubmitStatus.PENDING
    assert second.status in {SubmitStatus.DUPLICATE, SubmitStatus.TRY_AGAIN_LATER}
    # The answer is TRY_AGAIN_LATER although the envelope has landed: the answer is no evidence.
    assert late.status is SubmitStatus.TRY_AGAIN_LATER
    assert view.balance == AMOUNT


async def test_one_of_two_envelopes_with_the_same_sequence_number_lands(world: World) -> None:
    escrow = await world.deployed()
    one = await world.sign(world.funding(escrow))
    other = await world.sign(world.funding(escrow), valid_seconds=VALID_SECONDS + 1)

    await world.chain.submit(one.envelope_xdr)
    await world.landed(one)
    refused = await world.chain.submit(other.envelope_xdr)

    view = await world.view(escrow.contract_id)
    assert one.hash != other.hash
    assert refused.code == "txBAD_SEQ"
    assert view.balance == AMOUNT


async def test_prepared_envelope_tells_when_it_has_expired(world: World) -> None:
    escrow = await world.deployed()
    ledger = await world.chain.latest_ledger()

    prepared = await world.sign(world.funding(escrow))

    unheard = await world.chain.outcome(prepared.hash)
    assert unheard.status is OutcomeStatus.NOT_FOUND
    assert unheard.latest_ledger >= ledger.sequence
    assert prepared.max_time >= ledger.close_time + VALID_SECONDS
    assert not unheard.is_after(prepared)
    late = replace(unheard, latest_close_time=prepared.max_time + 1)
    assert late.is_after(prepared)
    assert not replace(late, latest_close_time=prepared.max_time).is_after(prepared)


async def test_signatures_are_invalid_in_an_envelope_of_a_third_party(world: World) -> None:
    pay = PayAsset(from_address=world.platform, to_address=world.seller, amount=UNIT)
    prepared = await world.sign(pay)
    thief = await world.new_signer()
    assert await world.chain.fund_with_friendbot(thief)
    account = await world.chain.account(thief)
    assert account is not None
    stolen = xdr.TransactionEnvelope.from_xdr(prepared.envelope_xdr).v1
    assert stolen is not None
    stolen.tx.source_account = Keypair.from_public_key(thief).xdr_muxed_account()
    stolen.tx.seq_num = xdr.SequenceNumber(xdr.Int64(account.sequence + 1))
    digest = hash_of(stolen.tx, passphrase=world.options.network_passphrase)
    signature = await world.signers[thief].sign(payload=digest)
    hint = xdr.SignatureHint(Keypair.from_public_key(thief).signature_hint())
    mine = xdr.DecoratedSignature(hint, xdr.Signature(signature))

    answers = [
        await world.chain.submit(wrap(stolen.tx, signatures))
        for signatures in ([mine], [mine, *stolen.signatures])
    ]
    outcome = await world.perform(pay)

    assert [answer.status for answer in answers] == [SubmitStatus.REFUSED] * 2
    assert [payment.amount for payment in outcome.payments] == [UNIT]


async def test_call_of_a_wallet_needs_the_wallets_signature(world: World) -> None:
    prepared = await world.sign(world.funding(await world.deployed()))
    envelope = xdr.TransactionEnvelope.from_xdr(prepared.envelope_xdr).v1
    assert envelope is not None

    for signature in envelope.signatures:
        submission = await world.chain.submit(wrap(envelope.tx, [signature]))
        assert submission.status is SubmitStatus.REFUSED

    assert len(envelope.signatures) == 2


async def test_envelope_signed_with_the_wrong_key_is_not_prepared(world: World) -> None:
    escrow = await world.deployed()
    world.signers[world.buyer], kept = world.signers[world.seller], world.signers[world.buyer]

    with pytest.raises(MissingSigner):
        await world.sign(world.funding(escrow))

    world.signers[world.buyer] = kept


async def test_contract_with_unexpected_code_is_refused(world: World) -> None:
    escrow = await world.deployed()
    options = replace(world.options, wasm_hash="ab" * 32, profiles={escrow.wasm_hash: "B"})
    other = await open_world(options)
    intent = replace(world.dispute(escrow), wasm_hash="ab" * 32)
    other.signers, other.channel = world.signers, world.channel

    with pytest.raises(EnvelopeRefused, match="other code"):
        await other.sign(intent)

    await other.close()


async def test_missing_accounts_and_contracts_are_read_as_none(world: World) -> None:
    intent = world.deployment()
    nowhere = world.chain.predict_contract_id(intent)

    assert await world.chain.read_escrow(nowhere) is None
    assert await world.chain.account(stranger()) is None
    assert await world.chain.asset_balances([]) == {}
    assert set((await world.chain.asset_balances([stranger(), nowhere])).values()) == {0}


async def test_orders_on_different_channel_accounts_run_concurrently(world: World) -> None:
    channels = [await world.new_signer() for _ in range(4)]
    for channel in channels:
        assert await world.chain.fund_with_friendbot(channel)
    intents = [world.deployment() for _ in channels]

    await asyncio.gather(
        *(world.perform(i, source=c) for i, c in zip(intents, channels, strict=True))
    )

    for intent in intents:
        assert await world.chain.read_escrow(world.chain.predict_contract_id(intent)) is not None
