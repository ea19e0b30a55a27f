"""Recording and enforcing authorisations: who must allow which call, and which signatures count."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from stellar_sdk import Keypair, scval, xdr
from stellar_sdk.auth import authorize_entry

from devnet.chain import keys
from devnet.chain.addresses import present, sc_address
from devnet.chain.entries import read_account, write_account
from devnet.chain.state import View
from devnet.soroban.authorization import Recorder
from devnet.soroban.host import Contracts, Footprint, Frame, Host
from devnet.soroban.invoke import Invocation, enforce, record
from devnet.soroban.registry import Registry
from tests.unit.devnet.world import IDENTITY, LIFETIMES, World, address

OWNER = Keypair.from_raw_ed25519_seed(b"buyer".ljust(32, b"."))
AMOUNT = 5


@pytest.fixture
def world() -> World:
    return World()


def transfer_operation(
    auth: Sequence[xdr.SorobanAuthorizationEntry] = (),
) -> xdr.InvokeHostFunctionOp:
    call = xdr.InvokeContractArgs(
        sc_address(IDENTITY.usdc_contract),
        xdr.SCSymbol(b"transfer"),
        [
            scval.to_address(OWNER.public_key),
            scval.to_address(address("seller")),
            scval.to_int128(AMOUNT),
        ],
    )
    kind = xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT
    return xdr.InvokeHostFunctionOp(xdr.HostFunction(kind, invoke_contract=call), list(auth))


def recorded(world: World, *, source: str) -> Invocation:
    return record(
        transfer_operation(),
        source=source,
        ledger=world.view,
        sequence=2,
        environment=world.environment,
    )


def enforced(world: World, auth: Sequence[xdr.SorobanAuthorizationEntry]) -> str:
    done = enforce(
        transfer_operation(auth),
        source=address("stranger"),
        ledger=world.view,
        sequence=2,
        environment=world.environment,
        declared=None,
    )
    return str(done.error)


def signed(world: World, *, until: int = 10, by: Keypair = OWNER) -> xdr.SorobanAuthorizationEntry:
    (entry,) = recorded(world, source=address("stranger")).auth
    return authorize_entry(entry, by, until, IDENTITY.passphrase)


def test_call_by_the_source_account_needs_no_nonce(world: World) -> None:
    own = recorded(world, source=OWNER.public_key)
    other = recorded(world, source=address("stranger"))

    assert len(own.view.written) == 2
    assert len(other.view.written) == 3
    (entry,) = own.auth
    assert entry.credentials.address is None


def test_a_signed_entry_allows_the_call(world: World) -> None:
    assert enforced(world, [signed(world)]) == "None"


def test_a_call_without_an_entry_is_refused(world: World) -> None:
    assert enforced(world, []) == "Error(Auth, InvalidAction)"


def test_an_empty_list_of_signatures_allows_nothing(world: World) -> None:
    entry = signed(world)
    present(entry.credentials.address).signature = scval.to_vec([])

    assert enforced(world, [entry]) == "Error(Auth, InvalidInput)"


def test_a_signature_of_another_key_allows_nothing(world: World) -> None:
    assert enforced(world, [signed(world, by=Keypair.random())]) == "Error(Auth, InvalidAction)"


def test_signature_over_another_payload_allows_nothing(world: World) -> None:
    entry = signed(world)
    credentials = present(entry.credentials.address)
    credentials.nonce = xdr.Int64(credentials.nonce.int64 ^ 1)

    assert enforced(world, [entry]) == "Error(Crypto, InvalidInput)"


def test_signatures_reach_the_medium_threshold(world: World) -> None:
    """soroban-env-host, account_contract.rs: weights, as for a transaction."""
    other = Keypair.from_raw_ed25519_seed(b"other".ljust(32, b"."))
    account = present(read_account(world.view, OWNER.public_key))
    signers = ((other.public_key, 2),)
    entry = signed(world)
    write_account(world.view, replace(account, thresholds=bytes([1, 0, 2, 0]), signers=signers))

    assert enforced(world, [entry]) == "Error(Auth, InvalidAction)"
    write_account(world.view, replace(account, thresholds=bytes([1, 0, 1, 0]), signers=signers))
    assert enforced(world, [entry]) == "None"


def test_an_entry_expires(world: World) -> None:
    assert enforced(world, [signed(world, until=1)]) == "Error(Auth, InvalidInput)"
    assert enforced(world, [signed(world, until=2)]) == "None"
    assert enforced(world, [signed(world, until=2**32 - 1)]) == "Error(Auth, InvalidInput)"


def test_a_deleted_account_authorises_nothing(world: World) -> None:
    entry = signed(world)
    world.view.delete(keys.account(OWNER.public_key))

    assert enforced(world, [entry]) == "Error(Auth, MissingValue)"


def test_the_newer_kind_of_entry_binds_the_address(world: World) -> None:
    (entry,) = recorded(world, source=address("stranger")).auth
    newer = xdr.SorobanCredentials(
        xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_ADDRESS_V2,
        address_v2=entry.credentials.address,
    )
    entry = xdr.SorobanAuthorizationEntry(newer, entry.root_invocation)

    done = authorize_entry(entry, OWNER, 10, IDENTITY.passphrase)

    assert enforced(world, [done]) == "None"


def test_only_calls_that_required_auth_are_in_the_tree() -> None:
    contracts: Contracts = Registry(fee_address=IDENTITY.fee_address)
    world = World()
    recorder = Recorder(source=OWNER.public_key)
    host = Host(
        view=Footprint(View(world.view, sequence=2), sequence=2, lifetimes=LIFETIMES),
        passphrase=IDENTITY.passphrase,
        contracts=contracts,
        authority=recorder,
    )
    inner = Frame(IDENTITY.usdc_contract, "transfer", [])
    outer = Frame(IDENTITY.factory, "pay", [], calls=[inner])

    recorder.push(outer)
    recorder.push(inner)
    recorder.require(host, OWNER.public_key, inner)

    (entry,) = recorder.entries()
    function = present(entry.root_invocation.function.contract_fn)
    assert function.function_name.sc_symbol == b"transfer"
    assert entry.root_invocation.sub_invocations == []
