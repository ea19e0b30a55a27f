"""Submitting transactions: statuses, sequence numbers, signatures, fees, time bounds."""

import copy
import time

import pytest
from stellar_sdk import (
    ChangeTrust,
    Keypair,
    Payment,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
    xdr,
)
from stellar_sdk.soroban_rpc import SendTransactionResponse, SendTransactionStatus

from tests.integration.devnet.chain import Chain, Done

Code = xdr.TransactionResultCode


async def signed(chain: Chain, source: Keypair, **options: int) -> TransactionEnvelope:
    envelope = await chain.build(source, [ChangeTrust(chain.usdc)], **options)
    envelope.sign(source)
    return envelope


def code_of(answer: SendTransactionResponse) -> xdr.TransactionResultCode:
    assert answer.status == SendTransactionStatus.ERROR, answer
    return xdr.TransactionResult.from_xdr(answer.error_result_xdr or "").result.code


async def test_the_hash_is_known_before_sending(chain: Chain) -> None:
    envelope = await signed(chain, await chain.funded())

    answer = await chain.rpc.send_transaction(envelope)

    assert answer.hash == envelope.hash_hex()
    await chain.landed(answer.hash)


async def test_a_queued_envelope_is_a_duplicate_and_a_rival_has_to_wait(chain: Chain) -> None:
    source = await chain.funded()
    await chain.arm("hold", function="change_trust")
    envelope = await signed(chain, source, timeout_seconds=2)
    rival = await signed(chain, source, timeout_seconds=50)
    first = await chain.rpc.send_transaction(envelope)

    again = await chain.rpc.send_transaction(envelope)
    other = await chain.rpc.send_transaction(rival)

    assert first.status == SendTransactionStatus.PENDING
    assert again.status == SendTransactionStatus.DUPLICATE
    assert other.status == SendTransactionStatus.TRY_AGAIN_LATER


async def test_sending_again_after_inclusion_is_banned_then_a_bad_sequence(chain: Chain) -> None:
    """stellar-core, TransactionQueue.cpp, `removeApplied`: ten ledgers."""
    envelope = await signed(chain, await chain.funded())
    await chain.land(envelope)

    answer = await chain.rpc.send_transaction(envelope)
    await chain.ledgers_pass(11)

    assert answer.status == SendTransactionStatus.TRY_AGAIN_LATER
    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txBAD_SEQ


@pytest.mark.parametrize("offset", [-1, 1])
async def test_another_sequence_number_than_the_next_is_bad(chain: Chain, offset: int) -> None:
    source = await chain.funded()
    current = (await chain.rpc.load_account(source.public_key)).sequence

    envelope = await signed(chain, source, sequence=current + offset)

    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txBAD_SEQ


async def test_a_wrong_key_is_bad_authorisation(chain: Chain) -> None:
    envelope = await chain.build(await chain.funded(), [ChangeTrust(chain.usdc)])
    envelope.sign(Keypair.random())

    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txBAD_AUTH


async def test_a_signature_without_a_signer_is_refused(chain: Chain) -> None:
    envelope = await signed(chain, await chain.funded())
    envelope.sign(Keypair.random())

    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txBAD_AUTH_EXTRA


async def test_an_operation_of_somebody_else_needs_their_signature(chain: Chain) -> None:
    source, other = await chain.funded(), await chain.funded()
    operation = ChangeTrust(chain.usdc, source=other.public_key)
    envelope = await chain.build(source, [operation])
    envelope.sign(source)

    answer = await chain.rpc.send_transaction(envelope)

    assert code_of(answer) == Code.txFAILED
    result = xdr.TransactionResult.from_xdr(answer.error_result_xdr or "").result
    assert result.results is not None
    assert result.results[0].code == xdr.OperationResultCode.opBAD_AUTH


async def test_the_signature_covers_the_network(chain: Chain) -> None:
    source = await chain.funded()
    envelope = await chain.build(source, [ChangeTrust(chain.usdc)])
    elsewhere = TransactionEnvelope(envelope.transaction, "Another network")
    elsewhere.sign(source)

    assert code_of(await chain.rpc.send_transaction(elsewhere)) == Code.txBAD_AUTH


async def test_a_transaction_after_its_time_is_too_late(chain: Chain) -> None:
    envelope = await signed(chain, await chain.funded(), timeout_seconds=-5)

    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txTOO_LATE


async def test_a_transaction_before_its_time_is_too_early(chain: Chain) -> None:
    source = await chain.funded()
    account = await chain.rpc.load_account(source.public_key)
    builder = TransactionBuilder(account, chain.passphrase, base_fee=100)
    builder.append_operation(ChangeTrust(chain.usdc))
    envelope = builder.add_time_bounds(int(time.time()) + 60, 0).build()
    envelope.sign(source)

    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txTOO_EARLY


async def test_an_unknown_source_has_no_account(chain: Chain) -> None:
    envelope = await signed(chain, Keypair.random(), sequence=1)

    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txNO_ACCOUNT


async def test_too_low_a_fee_names_the_least(chain: Chain) -> None:
    source = await chain.funded()
    account = await chain.rpc.load_account(source.public_key)
    builder = TransactionBuilder(account, chain.passphrase, base_fee=99)
    envelope = builder.append_operation(ChangeTrust(chain.usdc)).set_timeout(60).build()
    envelope.sign(source)

    answer = await chain.rpc.send_transaction(envelope)

    assert code_of(answer) == Code.txINSUFFICIENT_FEE
    result = xdr.TransactionResult.from_xdr(answer.error_result_xdr or "")
    assert result.fee_charged.int64 == 100


async def test_an_empty_transaction_misses_its_operation(chain: Chain) -> None:
    source = await chain.funded()
    account = await chain.rpc.load_account(source.public_key)
    envelope = TransactionBuilder(account, chain.passphrase).set_timeout(60).build()
    envelope.sign(source)

    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txMISSING_OPERATION


async def test_a_failed_transaction_costs_its_fee_and_sequence_number(chain: Chain) -> None:
    source = await chain.funded()
    before = await chain.account(source.public_key)

    done = await chain.classic(source, [Payment(source.public_key, chain.usdc, "1")])

    after = await chain.account(source.public_key)
    assert not done.ok
    assert before.balance.int64 - after.balance.int64 == 100
    assert after.seq_num.sequence_number.int64 - before.seq_num.sequence_number.int64 == 1


async def bumped(
    chain: Chain, sponsor: Keypair, inner: TransactionEnvelope, base_fee: int = 200
) -> object:
    envelope = TransactionBuilder.build_fee_bump_transaction(
        sponsor, base_fee, inner, chain.passphrase
    )
    envelope.sign(sponsor)
    return envelope


async def test_a_fee_bump_is_found_under_both_hashes_and_paid_by_the_sponsor(
    chain: Chain,
) -> None:
    source, sponsor = await chain.funded(), await chain.funded()
    inner = await signed(chain, source)

    outer = await chain.land(await bumped(chain, sponsor, inner))

    found: Done = await chain.landed(inner.hash_hex())
    assert outer.result.result.code == Code.txFEE_BUMP_INNER_SUCCESS
    assert found.answer.envelope_xdr == outer.answer.envelope_xdr
    assert found.answer.fee_bump is True
    assert found.answer.transaction_hash == inner.hash_hex()
    assert (await chain.account(source.public_key)).balance.int64 == 10_000 * 10**7
    assert (await chain.account(sponsor.public_key)).balance.int64 == 10_000 * 10**7 - 200


async def test_a_higher_fee_bump_replaces_what_is_queued(chain: Chain) -> None:
    source, sponsor = await chain.funded(), await chain.funded()
    await chain.arm("hold", function="change_trust")
    inner = await signed(chain, source)
    await chain.rpc.send_transaction(inner)

    low = await chain.rpc.send_transaction(await bumped(chain, sponsor, inner, 200))  # type: ignore[arg-type]  # an envelope
    high = await chain.land(await bumped(chain, sponsor, inner, 5_000))

    assert low.status == SendTransactionStatus.ERROR
    assert high.ok


async def test_who_pays_for_several_must_be_able_to_pay_for_all_that_wait(chain: Chain) -> None:
    """stellar-core, TransactionQueue.cpp, `canAdd`: the fees of a payer are summed up."""
    one, other, sponsor = [await chain.funded() for _ in range(3)]
    await chain.arm("hold", function="change_trust", count=2)
    # Each of them alone could be paid for.
    first = await bumped(chain, sponsor, await signed(chain, one), 2_700_000_000 * 10)
    second = await bumped(chain, sponsor, await signed(chain, other), 2_700_000_000 * 10)

    taken = await chain.rpc.send_transaction(first)  # type: ignore[arg-type]  # an envelope
    refused = await chain.rpc.send_transaction(second)  # type: ignore[arg-type]  # an envelope

    assert taken.status == SendTransactionStatus.PENDING
    assert code_of(refused) == Code.txINSUFFICIENT_BALANCE


async def test_who_pays_in_one_lane_sends_nothing_in_the_other_meanwhile(chain: Chain) -> None:
    """stellar-core, HerderImpl.cpp, `recvTransaction`: payers count as accounts of a queue."""
    one, sponsor = await chain.funded(), await chain.holder("1")
    await chain.arm("hold", function="change_trust")
    await chain.rpc.send_transaction(await bumped(chain, sponsor, await signed(chain, one)))  # type: ignore[arg-type]  # an envelope
    own = await signed(chain, sponsor)
    address = scval.to_address(sponsor.public_key)
    args = [address, address, scval.to_int128(1)]
    call = await chain.prepared(sponsor, chain.info["assetContractId"], "transfer", args)

    busy = await chain.rpc.send_transaction(call)
    taken = await chain.rpc.send_transaction(own)

    assert busy.status == SendTransactionStatus.TRY_AGAIN_LATER
    assert taken.status == SendTransactionStatus.PENDING


async def test_a_fee_bump_needs_the_sponsors_signature(chain: Chain) -> None:
    source, sponsor = await chain.funded(), await chain.funded()
    envelope = TransactionBuilder.build_fee_bump_transaction(
        sponsor, 200, await signed(chain, source), chain.passphrase
    )
    envelope.sign(source)

    assert code_of(await chain.rpc.send_transaction(envelope)) == Code.txBAD_AUTH


async def test_changing_a_signed_envelope_breaks_its_signature(chain: Chain) -> None:
    envelope = await signed(chain, await chain.funded())
    changed = copy.deepcopy(envelope)
    changed.transaction.fee += 1

    assert code_of(await chain.rpc.send_transaction(changed)) == Code.txBAD_AUTH
