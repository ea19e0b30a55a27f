"""Soroban authorisation and footprints: what a ledger accepts and what makes a call fail."""

from typing import Any

from stellar_sdk import Keypair, scval, xdr
from stellar_sdk.auth import authorize_entry

from tests.integration.devnet.chain import UNIT, Chain, Done, address_value


def transfer(sender: Keypair, receiver: Keypair) -> list[xdr.SCVal]:
    return [address_value(sender), address_value(receiver), scval.to_int128(UNIT)]


async def prepared(chain: Chain, channel: Keypair, owner: Keypair, to: Keypair) -> Any:
    draft = await chain.call(
        channel, chain.info["assetContractId"], "transfer", transfer(owner, to)
    )
    return await chain.rpc.prepare_transaction(draft)


def error_of(done: Done) -> xdr.SCError:
    body = done.meta.diagnostic_events[0].event.body.v0
    assert body is not None
    assert body.topics[1].error is not None
    return body.topics[1].error


async def test_a_channel_pays_and_the_owner_authorises(chain: Chain) -> None:
    channel, owner, to = await chain.funded(), await chain.holder("5"), await chain.holder()

    done = await chain.invoke(
        channel,
        chain.info["assetContractId"],
        "transfer",
        transfer(owner, to),
        authorizer=owner,
    )

    assert done.ok
    assert await chain.usdc_of(to.public_key) == UNIT
    assert (await chain.account(owner.public_key)).balance.int64 == 10_000 * 10**7 - 100


async def test_an_unsigned_entry_moves_nothing(chain: Chain) -> None:
    channel, owner, to = await chain.funded(), await chain.holder("5"), await chain.holder()
    envelope = await prepared(chain, channel, owner, to)
    envelope.sign(channel)

    done = await chain.land(envelope)

    assert not done.ok
    assert error_of(done).type == xdr.SCErrorType.SCE_AUTH
    assert await chain.usdc_of(owner.public_key) == 5 * UNIT


async def test_an_entry_signed_by_another_moves_nothing(chain: Chain) -> None:
    channel, owner, to = await chain.funded(), await chain.holder("5"), await chain.holder()
    envelope = await prepared(chain, channel, owner, to)
    (operation,) = envelope.transaction.operations
    sequence = (await chain.rpc.get_latest_ledger()).sequence
    operation.auth = [authorize_entry(operation.auth[0], to, sequence + 100, chain.passphrase)]
    envelope.sign(channel)

    assert not (await chain.land(envelope)).ok
    assert await chain.usdc_of(owner.public_key) == 5 * UNIT


async def test_an_expired_entry_moves_nothing(chain: Chain) -> None:
    channel, owner, to = await chain.funded(), await chain.holder("5"), await chain.holder()
    envelope = await prepared(chain, channel, owner, to)
    (operation,) = envelope.transaction.operations
    expired = (await chain.rpc.get_latest_ledger()).sequence - 1
    operation.auth = [authorize_entry(operation.auth[0], owner, expired, chain.passphrase)]
    envelope.sign(channel)

    assert not (await chain.land(envelope)).ok


async def test_an_entry_is_good_for_one_use(chain: Chain) -> None:
    channel, owner, to = await chain.funded(), await chain.holder("5"), await chain.holder()
    envelope = await prepared(chain, channel, owner, to)
    (operation,) = envelope.transaction.operations
    sequence = (await chain.rpc.get_latest_ledger()).sequence
    operation.auth = [authorize_entry(operation.auth[0], owner, sequence + 100, chain.passphrase)]
    envelope.sign(channel)
    assert (await chain.land(envelope)).ok

    envelope.transaction.sequence += 1
    envelope.signatures.clear()
    envelope.sign(channel)
    again = await chain.land(envelope)

    assert not again.ok
    assert error_of(again).code == xdr.SCErrorCode.SCEC_EXISTING_VALUE
    assert await chain.usdc_of(to.public_key) == UNIT


async def test_an_entry_does_not_cover_another_amount(chain: Chain) -> None:
    channel, owner, to = await chain.funded(), await chain.holder("5"), await chain.holder()
    envelope = await prepared(chain, channel, owner, to)
    (operation,) = envelope.transaction.operations
    sequence = (await chain.rpc.get_latest_ledger()).sequence
    operation.auth = [authorize_entry(operation.auth[0], owner, sequence + 100, chain.passphrase)]
    operation.host_function.invoke_contract.args[2] = scval.to_int128(2 * UNIT)
    envelope.sign(channel)

    assert not (await chain.land(envelope)).ok
    assert await chain.usdc_of(owner.public_key) == 5 * UNIT


async def test_a_call_outside_its_footprint_fails(chain: Chain) -> None:
    owner, to = await chain.holder("5"), await chain.holder()
    envelope = await prepared(chain, owner, owner, to)
    footprint = envelope.transaction.soroban_data.resources.footprint
    footprint.read_write.clear()
    envelope.sign(owner)

    done = await chain.land(envelope)

    assert not done.ok
    assert error_of(done).code == xdr.SCErrorCode.SCEC_EXCEEDED_LIMIT


async def test_simulating_with_entries_enforces_them(chain: Chain) -> None:
    channel, owner, to = await chain.funded(), await chain.holder("5"), await chain.holder()
    envelope = await prepared(chain, channel, owner, to)

    unsigned = await chain.rpc.simulate_transaction(envelope)
    (operation,) = envelope.transaction.operations
    sequence = (await chain.rpc.get_latest_ledger()).sequence
    operation.auth = [authorize_entry(operation.auth[0], owner, sequence + 100, chain.passphrase)]
    signed = await chain.rpc.simulate_transaction(envelope)

    assert unsigned.error is not None
    assert unsigned.error.startswith("HostError: Error(Auth,")
    assert signed.error is None


async def test_a_transfer_without_cover_or_trust_is_refused_by_number(chain: Chain) -> None:
    owner, poor = await chain.holder("5"), await chain.holder()
    stranger = await chain.funded()
    token = chain.info["assetContractId"]

    broke = await chain.refusal(poor, token, "transfer", transfer(poor, owner))
    untrusting = await chain.refusal(owner, token, "transfer", transfer(owner, stranger))

    assert broke == "HostError: Error(Contract, #10)"
    assert untrusting == "HostError: Error(Contract, #13)"


async def test_the_token_describes_itself(chain: Chain) -> None:
    owner = await chain.funded()
    token = chain.info["assetContractId"]
    answers = {}
    for function in ("decimals", "symbol", "name"):
        draft = await chain.call(owner, token, function, [])
        answer = await chain.rpc.simulate_transaction(draft)
        assert answer.results
        answers[function] = scval.to_native(answer.results[0].xdr)

    assert answers == {
        "decimals": 7,
        "symbol": "USDC",
        "name": f"USDC:{chain.info['usdcIssuer']}",
    }
