"""DEVNET_ESCROW_WASM: the devnet's factory runs the code of a file."""

from dataclasses import replace
from pathlib import Path

import pytest
import wasmtime
from stellar_sdk import Account, TransactionBuilder, scval

from devnet import app, settings
from devnet.chain import keys
from devnet.chain.envelope import parse
from devnet.chain.instances import decode_instance
from devnet.network.identity import Identity
from devnet.network.simulate import simulate
from devnet.settings import SettingsError
from devnet.soroban.profiles import PROFILE_B, REAL_PROVIDER
from devnet.wasm.contract import WasmContract

PASSPHRASE = "given wasm"
PAYER = Identity(PASSPHRASE).keypair("till-1")
FACTORY = Identity(PASSPHRASE).factory
ECHO = '(module (func (export "echo") (param i64) (result i64) (local.get 0)))'


def built(folder: Path, wasm: Path | None) -> app.Devnet:
    environment = {"DEVNET_DATA_DIR": str(folder), "STELLAR_NETWORK_PASSPHRASE": PASSPHRASE}
    if wasm is not None:
        environment["DEVNET_ESCROW_WASM"] = str(wasm)
    return app.build(settings.load(environment), base_url="http://devnet")


@pytest.fixture
def wasm(tmp_path: Path) -> Path:
    path = tmp_path / "echo.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm(ECHO)))
    return path


def test_the_factory_runs_the_code_of_the_file(tmp_path: Path, wasm: Path) -> None:
    devnet = built(tmp_path / "ledger", wasm)
    ledger = devnet.ledger
    entry = ledger.entries.get(keys.instance(FACTORY))
    assert entry is not None
    instance = decode_instance(entry.data)
    builder = TransactionBuilder(Account(PAYER.public_key, 0), PASSPHRASE, base_fee=10**6)
    builder.append_invoke_contract_function_op(FACTORY, "echo", [scval.to_uint32(7)])

    done = simulate(
        parse(
            builder.set_timeout(60).build().to_xdr(),
            network_id=ledger.environment.network_id,
        ),
        ledger=ledger.entries,
        sequence=ledger.newest.sequence + 1,
        environment=ledger.environment,
        auth_mode=None,
    )
    devnet.journal.close()

    assert instance.wasm_hash == WasmContract(wasm.read_bytes()).sha256
    assert ledger.entries.get(keys.code(instance.wasm_hash)) is not None
    assert done.answer == scval.to_uint32(7).to_xdr_bytes()


def test_the_network_pays_the_fee_address_that_the_real_code_has(wasm: Path) -> None:
    given = Identity(PASSPHRASE, replace(PROFILE_B, code=wasm.read_bytes()))

    assert given.fee_address == REAL_PROVIDER
    assert Identity(PASSPHRASE).fee_address != REAL_PROVIDER


def test_a_network_of_other_code_is_refused(tmp_path: Path, wasm: Path) -> None:
    built(tmp_path / "ledger", None).journal.close()

    with pytest.raises(SettingsError, match="empty folder"):
        built(tmp_path / "ledger", wasm)


@pytest.mark.parametrize("content", [None, b"no module"])
def test_a_file_that_is_no_wasm_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "escrow.wasm"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError, match="DEVNET_ESCROW_WASM"):
        built(tmp_path / "ledger", path)
