"""Archived entries: only a call that reads an archived entry may restore it."""

import pytest
from stellar_sdk import xdr

from services.escrow.stellar.envelope import wrap
from tests.unit.escrow.stellar_envelopes import (
    ASSET_CONTRACT,
    FACTORY,
    FRAME,
    INSTANCE,
    INTENTS,
    WASM_HASH,
    entry_key,
    valid_transaction,
    verifier,
)
from tests.unit.escrow.test_stellar_verify import CALLS, FOREIGN, refusal_of


def restoring(name: str, key: xdr.LedgerKey, *, is_archived: bool = True) -> xdr.Transaction:
    """Return a call that declares an entry as written, and as archived until now."""
    transaction = valid_transaction(INTENTS[name])
    data = transaction.ext.soroban_data
    assert data is not None
    written = data.resources.footprint.read_write
    written.append(key)
    place = len(written) - 1 if is_archived else 0
    extension = xdr.SorobanResourcesExtV0([xdr.Uint32(place)])
    data.ext = xdr.SorobanTransactionDataExt(1, resource_ext=extension)
    return transaction


def code_of(wasm_hash: str) -> xdr.LedgerKey:
    code = xdr.LedgerKeyContractCode(xdr.Hash(bytes.fromhex(wasm_hash)))
    return xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=code)


ON_CODE = [name for name in CALLS if name != "transfer"]
RESTORED = {"the code": code_of(WASM_HASH), "the asset": entry_key(ASSET_CONTRACT, INSTANCE)}


@pytest.mark.parametrize("name", ON_CODE)
@pytest.mark.parametrize("what", RESTORED)
def test_call_restores_the_archived_entries_that_it_reads(name: str, what: str) -> None:
    transaction = restoring(name, RESTORED[what])

    verifier().verify(wrap(transaction), INTENTS[name], **FRAME)


def test_a_deployment_restores_the_factory() -> None:
    transaction = restoring("deploy_escrow", entry_key(FACTORY, INSTANCE))

    verifier().verify(wrap(transaction), INTENTS["deploy_escrow"], **FRAME)


@pytest.mark.parametrize("name", ON_CODE)
@pytest.mark.parametrize("what", RESTORED)
def test_call_may_not_write_live_entries_that_it_reads(name: str, what: str) -> None:
    transaction = restoring(name, RESTORED[what], is_archived=False)

    assert refusal_of(transaction, INTENTS[name]) == "it would write a foreign entry"


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "foreign",
    [
        "a stranger's trustline",
        "another contract's balance",
        "another contract",
        "the wallet's account",
        "an authorisation's nonce",
        "the code",
    ],
)
def test_call_may_not_restore_foreign_entries(name: str, foreign: str) -> None:
    transaction = restoring(name, FOREIGN[foreign])

    assert refusal_of(transaction, INTENTS[name]) == "it would write a foreign entry"


def test_a_payment_of_the_asset_restores_no_code() -> None:
    transaction = restoring("transfer", code_of(WASM_HASH))

    assert refusal_of(transaction, INTENTS["transfer"]) == "it would write a foreign entry"
