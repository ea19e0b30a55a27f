"""The host: no re-entry, limited depth, no call for another account, no undeclared access."""

import pytest
from stellar_sdk import scval, xdr

from devnet.chain import keys
from devnet.soroban.deploy import contract_address
from devnet.soroban.escrow_value import Roles
from devnet.soroban.host import MAX_DEPTH
from devnet.soroban.invoke import enforce
from tests.unit.devnet.test_authorization import signed, transfer_operation
from tests.unit.devnet.world import (
    IDENTITY,
    SALT,
    UNIT,
    World,
    address,
    an_escrow,
    declaration,
    some_roles,
)


@pytest.fixture
def world() -> World:
    return World()


def test_a_contract_cannot_call_itself_through_another(world: World) -> None:
    own = contract_address(deployer=IDENTITY.factory, salt=SALT, passphrase=IDENTITY.passphrase)
    contract = world.deploy(an_escrow(token=own))

    assert contract == own
    assert world.fund(contract, UNIT).error == "Error(Context, InvalidAction)"


def test_depth_of_nested_calls_is_limited(world: World) -> None:
    def nested(depth: int) -> list[xdr.SCVal]:
        args = world.deploy_args(an_escrow(), salt=SALT)
        if depth > 1:
            args[3] = scval.to_symbol("tw_new_single_release_escrow")
            args[4] = scval.to_vec(nested(depth - 1))
        return args

    function = "tw_new_single_release_escrow"

    deepest = world.call(IDENTITY.factory, function, nested(MAX_DEPTH))
    assert deepest.error == "Error(Context, ExceededLimit)"
    assert world.call(IDENTITY.factory, function, nested(MAX_DEPTH - 1)).error is None


def test_contract_authorises_only_its_own_calls(world: World) -> None:
    factory = IDENTITY.factory
    roles: Roles = some_roles(release_signer=factory)
    contract = world.deploy(an_escrow(roles=roles))
    world.approve(contract)

    answer = world.call(contract, "release_funds", [scval.to_address(factory)])

    assert answer.error == "Error(Auth, InvalidAction)"


def test_a_missing_contract_cannot_be_called(world: World) -> None:
    nowhere = contract_address(deployer=IDENTITY.factory, salt=SALT, passphrase="elsewhere")

    assert world.call(nowhere, "get_escrow", []).error == "Error(Storage, MissingValue)"


def test_every_key_must_be_declared_for_its_kind_of_access(world: World) -> None:
    lines = [keys.trustline(address(name), IDENTITY.usdc) for name in ("buyer", "seller")]
    entry = signed(world)
    assert entry.credentials.address is not None
    nonce = keys.nonce(address("buyer"), entry.credentials.address.nonce.int64)
    written = [*lines, nonce]
    read = [keys.instance(IDENTITY.usdc_contract), keys.account(address("buyer"))]

    def error(read_only: list[bytes], read_write: list[bytes]) -> str:
        done = enforce(
            transfer_operation([entry]),
            source=address("stranger"),
            ledger=world.view,
            sequence=2,
            environment=world.environment,
            declared=declaration(read_only, read_write),
        )
        return str(done.error)

    assert error(read, written) == "None"
    assert error(read[1:], written) == "Error(Storage, ExceededLimit)"
    assert error([*read, lines[0]], written[1:]) == "Error(Storage, ExceededLimit)"
