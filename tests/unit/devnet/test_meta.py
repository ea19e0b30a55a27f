"""Entry changes in a transaction's meta. Sources: Stellar-ledger.x; LedgerTxn.cpp; CAP-66."""

from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import Keypair, xdr

from devnet.chain.addresses import present
from devnet.network.outcome import Outcome
from tests.unit.devnet.test_fees import applied, deployment, finished
from tests.unit.devnet.test_nodes import Chain, chain
from tests.unit.devnet.world import World

__all__ = ["chain"]


@pytest.fixture
def world() -> World:
    found = World()
    found.environment = replace(found.environment, has_full_meta=True)
    return found


def shown(changes: xdr.LedgerEntryChanges) -> list[tuple[str, str]]:
    """Return what happened to which kind of entry."""
    found = []
    for change in changes.ledger_entry_changes:
        entry: Any = change.created or change.updated or change.state or change.restored
        kind = present(change.removed).type if entry is None else entry.data.type
        name = change.type.name.removeprefix("LEDGER_ENTRY_").lower()
        found.append((name, kind.name.lower()))
    return found


def metas(outcome: Outcome) -> xdr.TransactionMetaV4:
    return present(xdr.TransactionMeta.from_xdr_bytes(outcome.meta()).v4)


def test_a_deployment_creates_two_entries_with_their_lives(world: World) -> None:
    outcome = applied(world, finished(world, deployment()))

    meta = metas(outcome)

    assert outcome.successful
    assert shown(meta.tx_changes_before) == [("state", "account"), ("updated", "account")]
    assert shown(meta.operations[0].changes) == [
        ("created", "contract_data"),
        ("created", "ttl"),
        ("created", "contract_data"),
        ("created", "ttl"),
    ]
    assert shown(meta.tx_changes_after) == [("state", "account"), ("updated", "account")]


def test_archived_entries_are_shown_as_restored(world: World) -> None:
    world.view.sequence += 4_000_000

    meta = metas(applied(world, finished(world, deployment())))

    found = shown(meta.operations[0].changes)
    assert ("restored", "contract_code") in found
    assert ("restored", "contract_data") in found
    assert found.count(("restored", "ttl")) == 2


def test_failed_call_changes_only_the_fee_payers_account(world: World) -> None:
    envelope = finished(world, deployment())
    world.deploy()

    meta = metas(applied(world, envelope))

    assert shown(meta.tx_changes_before) == [("state", "account"), ("updated", "account")]
    assert shown(meta.operations[0].changes) == []


def test_metas_of_contract_transactions_hold_no_changes_by_default() -> None:
    world = World()

    meta = metas(applied(world, finished(world, deployment())))

    assert shown(meta.tx_changes_before) == []
    assert shown(meta.operations[0].changes) == []


async def test_metas_of_classic_transactions_show_the_created_account(chain: Chain) -> None:
    """The JavaScript SDK's `requestAirdrop` reads the new account's sequence number there."""
    new = Keypair.random().public_key
    answer = (await chain.post(f"/friendbot?addr={new}", {})).json()

    found = await chain.ask("getTransaction", hash=answer["hash"])

    meta = present(xdr.TransactionMeta.from_xdr(found["resultMetaXdr"]).v4)
    (created,) = [
        present(change.created)
        for change in meta.operations[0].changes.ledger_entry_changes
        if change.created is not None
    ]
    account = present(created.data.account)
    assert account.seq_num.sequence_number.int64 == answer["ledger"] << 32
