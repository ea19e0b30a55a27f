"""The queue and the lanes of a ledger: bids, surges, bans, fee statistics.

Sources: stellar-core, TransactionQueue.cpp, HerderImpl.cpp, SurgePricingUtils.cpp; stellar-rpc,
feewindow and methods/get_fee_stats.go; CAP-5 and CAP-46.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from stellar_sdk import Account, Keypair, Payment, TransactionBuilder, scval, xdr

from devnet import app, settings
from devnet.app import Devnet
from devnet.chain.addresses import present
from devnet.chain.assets import NATIVE, sdk_asset
from devnet.chain.envelope import Envelope, parse
from devnet.chain.results import Code
from devnet.network.identity import Identity
from devnet.network.lanes import Statistics
from devnet.network.ledger import Queued
from devnet.network.simulate import simulate

PASSPHRASE = "tests of the queue"
IDENTITY = Identity(PASSPHRASE)
BID = 100


@pytest.fixture
async def devnet(tmp_path: Path) -> AsyncIterator[Devnet]:
    """A network whose ledgers hold two operations in each lane."""
    chosen = settings.load(
        {
            "DEVNET_DATA_DIR": str(tmp_path),
            "DEVNET_LANE_SIZE": "2",
            "STELLAR_NETWORK_PASSPHRASE": PASSPHRASE,
        }
    )
    built = app.build(chosen, base_url="http://devnet")
    yield built
    built.journal.close()


def till(number: int) -> Keypair:
    return IDENTITY.keypair(f"till-{number}")


def payment(payer: Keypair, *, bid: int = BID, sequence: int = 0, count: int = 1) -> Envelope:
    builder = TransactionBuilder(Account(payer.public_key, sequence), PASSPHRASE, base_fee=bid)
    for _ in range(count):
        builder.append_operation(Payment(IDENTITY.distributor.public_key, sdk_asset(NATIVE), "1"))
    envelope = builder.set_timeout(60).build()
    envelope.sign(payer)
    return parse(envelope.to_xdr(), network_id=IDENTITY.network_id)


def balance_call(devnet: Devnet, payer: Keypair, *, bid: int = BID) -> Envelope:
    """Build a contract transaction that reads a balance."""
    ledger = devnet.ledger
    builder = TransactionBuilder(Account(payer.public_key, 0), PASSPHRASE, base_fee=bid)
    builder.append_invoke_contract_function_op(
        IDENTITY.usdc_contract, "balance", [scval.to_address(IDENTITY.distributor.public_key)]
    )
    draft = builder.set_timeout(60).build()
    done = simulate(
        parse(draft.to_xdr(), network_id=IDENTITY.network_id),
        ledger=ledger.entries,
        sequence=ledger.newest.sequence + 1,
        environment=ledger.environment,
        auth_mode=None,
    )
    draft.transaction.soroban_data = done.data
    draft.transaction.fee += done.resource_fee
    draft.sign(payer)
    return parse(draft.to_xdr(), network_id=IDENTITY.network_id)


def submit(devnet: Devnet, envelope: Envelope) -> Queued:
    submission = devnet.ledger.submit(envelope)
    assert submission.status == "PENDING", submission
    return present(submission.queued)


async def charged(queued: Queued) -> int:
    record = present(await queued.included)
    return xdr.TransactionResult.from_xdr(record.result).fee_charged.int64


async def test_without_competition_every_transaction_pays_the_minimum_fee(devnet: Devnet) -> None:
    queued = submit(devnet, payment(till(1), bid=5_000, count=2))

    await devnet.ledger.close()

    assert await charged(queued) == 200


async def test_highest_bids_are_included_and_pay_the_lowest_included_bid(devnet: Devnet) -> None:
    queued = [submit(devnet, payment(till(n), bid=bid)) for n, bid in enumerate((300, 200, 700))]

    await devnet.ledger.close()

    assert [await charged(queued[0]), await charged(queued[2])] == [300, 300]
    assert not queued[1].included.done()
    await devnet.ledger.close()
    assert await charged(queued[1]) == 100


async def test_lanes_do_not_compete_with_each_other(devnet: Devnet) -> None:
    classic = [submit(devnet, payment(till(n), bid=900)) for n in range(3)]
    contract = submit(devnet, balance_call(devnet, till(4), bid=150))

    await devnet.ledger.close()

    assert contract.included.done()
    assert sum(item.included.done() for item in classic) == 2
    stats = devnet.ledger.paid
    assert stats[False].shown()["max"] == "900"
    assert stats[True].shown()["max"] == "100"
    assert stats[True].shown()["transactionCount"] == "1"


async def test_transaction_waiting_for_four_ledgers_is_dropped_and_banned_for_ten(
    devnet: Devnet,
) -> None:
    poor = payment(till(0), bid=100)
    queued = submit(devnet, poor)
    for sequence in range(4):
        for number in (1, 2):
            submit(devnet, payment(till(number), bid=500, sequence=sequence))
        assert not queued.included.done()
        await devnet.ledger.close()

    assert await queued.included is None
    for _ in range(10):
        assert devnet.ledger.submit(poor).status == "TRY_AGAIN_LATER"
        await devnet.ledger.close()
    assert devnet.ledger.submit(poor).status == "PENDING"


async def test_applied_transaction_is_banned_for_ten_ledgers(devnet: Devnet) -> None:
    envelope = payment(till(1))
    submit(devnet, envelope)
    await devnet.ledger.close()

    for _ in range(10):
        assert devnet.ledger.submit(envelope).status == "TRY_AGAIN_LATER"
        await devnet.ledger.close()
    answer = devnet.ledger.submit(envelope)

    assert answer.status == "ERROR"
    assert present(answer.result).result.code == Code.txBAD_SEQ


async def test_an_account_has_one_transaction_in_the_queue(devnet: Devnet) -> None:
    submit(devnet, payment(till(1)))

    other = devnet.ledger.submit(payment(till(1), bid=200))

    assert other.status == "TRY_AGAIN_LATER"


def test_fee_statistics_cover_the_last_ledgers_only() -> None:
    stats = Statistics(2)
    for paid in ([900], [100, 100, 200], [300]):
        stats.add(paid)

    shown = stats.shown()

    assert (shown["max"], shown["min"], shown["mode"]) == ("300", "100", "100")
    assert (shown["p10"], shown["p50"], shown["p90"]) == ("100", "100", "300")
    assert (shown["transactionCount"], shown["ledgerCount"]) == ("4", 2)


def test_without_transactions_every_fee_is_0() -> None:
    shown = Statistics(10).shown()

    assert shown["p90"] == "0"
    assert shown["transactionCount"] == "0"
