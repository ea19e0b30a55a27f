"""The running ledger: what readers see, and that a broken transaction does not stop it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from stellar_sdk import Account, Keypair, Payment, TransactionBuilder

from devnet import app, settings
from devnet.app import Devnet
from devnet.chain.assets import NATIVE, sdk_asset
from devnet.chain.entries import read_account, write_account
from devnet.chain.envelope import Envelope, parse
from devnet.chain.state import View
from devnet.network import genesis
from devnet.network.apply import apply_transaction
from devnet.network.identity import Identity
from devnet.network.simulate import simulate
from tests.unit.devnet.test_journal import closed

PASSPHRASE = "ledger tests"
IDENTITY = Identity(PASSPHRASE)


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    chosen = settings.load(
        {"DEVNET_DATA_DIR": str(tmp_path), "STELLAR_NETWORK_PASSPHRASE": PASSPHRASE}
    )
    built = app.build(chosen, base_url="http://devnet")
    yield built
    built.journal.close()


def payment(payer: Keypair, *, sequence: int = 0) -> Envelope:
    builder = TransactionBuilder(Account(payer.public_key, sequence), PASSPHRASE)
    receiver = IDENTITY.distributor.public_key
    builder.append_operation(Payment(receiver, sdk_asset(NATIVE), "1"))
    envelope = builder.set_timeout(60).build()
    envelope.sign(payer)
    return parse(envelope.to_xdr(), network_id=IDENTITY.network_id)


async def test_a_commit_is_seen_only_when_its_ledger_is(devnet: Devnet) -> None:
    devnet.journal.append(closed(2))

    assert devnet.journal.transaction("tx-2") is not None
    assert devnet.ledger.find("tx-2") is None


async def test_an_unexpected_error_in_a_transaction_does_not_stop_the_ledger(
    devnet: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, fine = (payment(IDENTITY.keypair(genesis.till(number))) for number in (1, 2))

    def apply(envelope: Envelope, **rest: object) -> object:
        if envelope is broken:
            raise RuntimeError("unforeseen")
        return apply_transaction(envelope, **rest)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr("devnet.network.ledger.apply_transaction", apply)
    queued = [devnet.ledger.submit(envelope).queued for envelope in (broken, fine)]

    header = await devnet.ledger.close()

    results = [await item.included for item in queued if item is not None]
    assert results[0] is None
    assert results[1] is not None
    assert results[1].ledger == header.sequence
    untouched = read_account(devnet.ledger.entries, broken.source)
    assert untouched is not None
    assert untouched.sequence == 0


async def test_a_transaction_that_became_invalid_in_the_queue_is_dropped(devnet: Devnet) -> None:
    payer = IDENTITY.keypair(genesis.till(1))
    first = payment(payer)
    queued = devnet.ledger.submit(first).queued
    assert queued is not None
    account = read_account(devnet.ledger.entries, payer.public_key)
    assert account is not None
    view = View(devnet.ledger.entries, sequence=1)
    write_account(view, replace(account, sequence=1))
    devnet.ledger.entries.apply(view.changes)

    await devnet.ledger.close()

    assert await queued.included is None
    assert devnet.ledger.find(first.hash.hex()) is None


def test_only_contract_calls_run(devnet: Devnet) -> None:
    builder = TransactionBuilder(Account(IDENTITY.friendbot.public_key, 0), PASSPHRASE)
    draft = builder.append_upload_contract_wasm_op(b"\x00asm").set_timeout(60).build()
    envelope = parse(draft.to_xdr(), network_id=IDENTITY.network_id)

    done = simulate(
        envelope,
        ledger=devnet.ledger.entries,
        sequence=2,
        environment=devnet.ledger.environment,
        auth_mode=None,
    )

    assert envelope.function_name == "host_function_type_upload_contract_wasm"
    assert (done.error or "").startswith("HostError: Error(Context, InvalidAction)")


def test_a_transaction_is_named_by_what_it_does() -> None:
    assert payment(IDENTITY.friendbot).function_name == "payment"
