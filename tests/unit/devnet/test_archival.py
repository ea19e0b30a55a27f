"""Archival: entries whose lifetime has ended, and how simulations and ledgers restore them.

Sources: CAP-62 and CAP-66; soroban-env-host, storage.rs; stellar-core, InvokeHostFunctionOpFrame,
RestoreFootprintOpFrame and ExtendFootprintTTLOpFrame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from stellar_sdk import Account, Keypair, TransactionBuilder, TransactionEnvelope, scval, xdr

from devnet import app, settings
from devnet.app import Devnet
from devnet.chain import keys, rules
from devnet.chain.addresses import present
from devnet.chain.envelope import Envelope, parse
from devnet.chain.keys import Key
from devnet.chain.results import Code
from devnet.chain.validity import check
from devnet.faults import Faults
from devnet.network.identity import Identity
from devnet.network.ledger import Ledger
from devnet.network.records import TransactionRecord
from devnet.network.simulate import Simulation, simulate
from devnet.rpc.network_methods import NetworkMethods
from devnet.soroban import escrow_storage
from tests.unit.devnet.world import World, an_escrow, declaration

PASSPHRASE = "archival tests"
IDENTITY = Identity(PASSPHRASE)
PAYER = IDENTITY.keypair("till-1")
CODE = keys.code(IDENTITY.profile.wasm_hash)
FACTORY = keys.instance(IDENTITY.factory)
TOKEN = keys.instance(IDENTITY.usdc_contract)
WEEK = rules.LIFETIMES["test"].least


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    chosen = settings.load(
        {
            "DEVNET_DATA_DIR": str(tmp_path),
            "DEVNET_TTL": "test",
            "STELLAR_NETWORK_PASSPHRASE": PASSPHRASE,
        }
    )
    built = app.build(chosen, base_url="http://devnet")
    yield built
    built.journal.close()


def balance_call(*, sequence: int = 0) -> TransactionEnvelope:
    """Build a call that reads the asset contract's instance and nothing else but a trustline."""
    builder = TransactionBuilder(Account(PAYER.public_key, sequence), PASSPHRASE, base_fee=10**6)
    builder.append_invoke_contract_function_op(
        IDENTITY.usdc_contract, "balance", [scval.to_address(IDENTITY.distributor.public_key)]
    )
    return builder.set_timeout(60).build()


def read(envelope: TransactionEnvelope) -> Envelope:
    return parse(envelope.to_xdr(), network_id=IDENTITY.network_id)


def simulated(ledger: Ledger, envelope: TransactionEnvelope) -> Simulation:
    return simulate(
        read(envelope),
        ledger=ledger.entries,
        sequence=ledger.newest.sequence + 1,
        environment=ledger.environment,
        auth_mode=None,
    )


async def land(
    ledger: Ledger, envelope: TransactionEnvelope, data: xdr.SorobanTransactionData
) -> TransactionRecord:
    """Put a footprint into a transaction, sign it, and close its ledger."""
    envelope.transaction.soroban_data = data
    envelope.sign(PAYER)
    submission = ledger.submit(read(envelope))
    assert submission.queued is not None, submission
    await ledger.close()
    return present(await submission.queued.included)


def result_code(record: TransactionRecord) -> xdr.InvokeHostFunctionResultCode:
    result = xdr.TransactionResult.from_xdr(record.result).result
    own = present(present(present(result.results)[0].tr).invoke_host_function_result)
    return own.code


def left(ledger: Ledger, key: Key) -> int:
    """Return how many ledgers an entry lives after the newest one."""
    return present(present(ledger.entries.get(key)).live_until) - ledger.newest.sequence


def places(data: xdr.SorobanTransactionData | None) -> list[Key]:
    """Return the keys that are marked as archived."""
    resources = present(data).resources
    marked = present(data).ext.resource_ext
    written = [key.to_xdr_bytes() for key in resources.footprint.read_write]
    return [] if marked is None else [written[n.uint32] for n in marked.archived_soroban_entries]


async def test_data_lives_as_long_as_on_the_test_network(devnet: Devnet) -> None:
    """stellar-core, soroban-settings/testnet_settings_upgrade.json: 120,960 ledgers."""
    assert left(devnet.ledger, TOKEN) == WEEK - 1


async def test_simulation_marks_archived_entries_to_be_restored(devnet: Devnet) -> None:
    """An entry is live in its last ledger, and archived in the next one."""
    ledger = devnet.ledger
    ledger.skip(WEEK - 3)
    await ledger.close()
    alive = simulated(ledger, balance_call())
    await ledger.close()

    asleep = simulated(ledger, balance_call())

    assert left(ledger, TOKEN) == 0
    assert places(alive.data) == []
    assert TOKEN in [k.to_xdr_bytes() for k in present(alive.data).resources.footprint.read_only]
    assert places(asleep.data) == [TOKEN]
    assert asleep.answer is not None
    assert asleep.resource_fee > alive.resource_fee


async def test_marked_entry_is_restored_when_the_transaction_is_applied(devnet: Devnet) -> None:
    ledger = devnet.ledger
    assert ledger.archive([TOKEN]) == 1
    await ledger.close()
    data = present(simulated(ledger, balance_call()).data)

    record = await land(ledger, balance_call(), data)

    assert record.successful
    assert left(ledger, TOKEN) == WEEK - 1


async def test_unmarked_archived_entry_fails_the_transaction(devnet: Devnet) -> None:
    """INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED: `handleArchivedEntry`."""
    ledger = devnet.ledger
    data = present(simulated(ledger, balance_call()).data)
    ledger.archive([TOKEN])
    await ledger.close()

    record = await land(ledger, balance_call(), data)

    assert result_code(record).name == "INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED"
    assert left(ledger, TOKEN) < 0


async def test_a_live_entry_may_be_marked(devnet: Devnet) -> None:
    """CAP-66: the mark of an entry that somebody restored before has no effect."""
    ledger = devnet.ledger
    ledger.archive([TOKEN])
    await ledger.close()
    data = present(simulated(ledger, balance_call()).data)
    assert (await land(ledger, balance_call(), data)).successful
    before = present(ledger.entries.get(TOKEN))

    assert (await land(ledger, balance_call(sequence=1), data)).successful

    assert ledger.entries.get(TOKEN) == before


@pytest.mark.parametrize("places", [[1], [0, 0], [1, 0], [2]])
def test_invalid_marks_of_archived_entries_are_refused(
    devnet: Devnet, places: Sequence[int]
) -> None:
    """Stellar-core, TransactionFrame.cpp, `checkSorobanResources`: txSOROBAN_INVALID."""
    envelope = balance_call()
    written = [TOKEN, keys.trustline(PAYER.public_key, IDENTITY.usdc)]
    envelope.transaction.soroban_data = declaration([], written, archived=places)
    envelope.sign(PAYER)

    result = check(read(envelope), view=devnet.ledger.entries, now=0)

    assert present(result).result.code == Code.txSOROBAN_INVALID


async def test_restore_footprint_operation_restores_archived_entries(devnet: Devnet) -> None:
    """The operation skips live and missing entries."""
    ledger = devnet.ledger
    live = present(ledger.entries.get(FACTORY))
    ledger.archive([TOKEN])
    await ledger.close()
    builder = TransactionBuilder(Account(PAYER.public_key, 0), PASSPHRASE, base_fee=10**6)
    envelope = builder.append_restore_footprint_op().set_timeout(60).build()
    missing = keys.code(b"no such code".ljust(32, b"."))

    record = await land(ledger, envelope, declaration([], [TOKEN, FACTORY, missing]))

    assert record.successful
    assert left(ledger, TOKEN) == WEEK - 1
    assert ledger.entries.get(FACTORY) == live


async def test_extension_skips_archived_entries(devnet: Devnet) -> None:
    ledger = devnet.ledger
    ledger.archive([TOKEN])
    await ledger.close()
    builder = TransactionBuilder(Account(PAYER.public_key, 0), PASSPHRASE, base_fee=10**6)
    envelope = builder.append_extend_footprint_ttl_op(10**6).set_timeout(60).build()

    record = await land(ledger, envelope, declaration([TOKEN, FACTORY], []))

    assert record.successful
    assert left(ledger, TOKEN) < 0
    assert left(ledger, FACTORY) >= 10**6


async def test_archived_entry_has_live_until_ledger_zero(devnet: Devnet) -> None:
    """stellar-rpc, ledgerentries/main.go: archived entries have liveUntilLedgerSeq 0."""
    ledger = devnet.ledger
    methods = NetworkMethods(
        ledger=ledger, identity=IDENTITY, faults=Faults(), friendbot_url="http://devnet"
    )
    asked = {"keys": [keys.parse(key).to_xdr() for key in (TOKEN, FACTORY)]}
    ledger.archive([TOKEN])
    await ledger.close()

    shown = (await methods.get_ledger_entries(asked))["entries"]

    assert [entry["liveUntilLedgerSeq"] for entry in shown] == [0, rules.MAX_TTL]


async def test_archiving_without_keys_archives_everything(devnet: Devnet) -> None:
    ledger = devnet.ledger
    ledger.archive(None)
    await ledger.close()

    done = simulated(ledger, balance_call())

    assert left(ledger, CODE) < 0
    assert left(ledger, FACTORY) < 0
    assert places(done.data) == [TOKEN]


def test_expired_temporary_entry_is_deleted_and_not_archived() -> None:
    world = World()
    key = keys.nonce(Keypair.random().public_key, 1)
    instance = keys.instance(world.deploy(an_escrow()))
    for written in (key, instance):
        entry = present(world.view.get(instance))
        world.view.put(written, replace(entry, live_until=world.view.sequence))
    world.view.sequence += 1

    footprint = world.footprint()

    assert footprint.get(key) is None
    assert footprint.get(instance) is not None
    assert list(footprint.restored) == [instance]


def test_fully_archived_escrow_can_be_released() -> None:
    """The code, the instance, the escrow and its balance: all restored, all written."""
    world = World()
    contract = world.approved()
    escrow = keys.contract_data(contract, escrow_storage.KEY, keys.PERSISTENT)
    world.view.sequence += 4_000_000

    done = world.release(contract)

    assert done.error is None
    assert {escrow, keys.instance(contract), keys.code(world.profile.wasm_hash)} <= set(
        done.invocation.view.restored
    )
    assert set(done.invocation.view.restored) <= set(done.invocation.view.written)
