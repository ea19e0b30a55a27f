"""The asset contract: balances of accounts and contracts, and its refusals by number."""

from dataclasses import replace

import pytest
from stellar_sdk import MuxedAccount, scval, xdr

from devnet.chain import keys
from devnet.chain.addresses import present
from devnet.chain.assets import NATIVE, contract_id
from devnet.chain.entries import read_trustline, write_trustline
from devnet.soroban.asset_contract import I128_MAX, AssetContract
from devnet.soroban.authorization import Recorder
from devnet.soroban.errors import HostError
from devnet.soroban.host import Footprint, Frame, Host
from devnet.soroban.registry import Registry
from tests.unit.devnet.world import IDENTITY, LIFETIMES, UNIT, Answer, World, address, refusal

TOKEN = IDENTITY.usdc_contract
XLM = contract_id(NATIVE, IDENTITY.passphrase)


@pytest.fixture
def world() -> World:
    return World()


def transfer(world: World, sender: str, receiver: str, amount: int, token: str = TOKEN) -> Answer:
    args = [
        scval.to_address(sender),
        scval.to_address(receiver),
        scval.to_int128(amount),
    ]
    return world.call(token, "transfer", args)


def balance(world: World, holder: str, token: str = TOKEN) -> int:
    answer = world.call(token, "balance", [scval.to_address(holder)])
    assert answer.error is None, answer.error
    return scval.from_int128(present(answer.value))


def test_an_amount_moves_between_accounts(world: World) -> None:
    assert transfer(world, address("buyer"), address("seller"), 3 * UNIT).error is None

    assert balance(world, address("buyer")) == 997 * UNIT
    assert balance(world, address("seller")) == 1_003 * UNIT


def test_a_contract_holds_a_balance_without_trustline(world: World) -> None:
    contract = world.deploy()

    assert transfer(world, address("buyer"), contract, 3 * UNIT).error is None

    assert balance(world, contract) == 3 * UNIT


def test_the_event_names_a_multiplexed_receiver(world: World) -> None:
    muxed = MuxedAccount(address("seller"), 9)
    receiver = xdr.SCAddress(
        xdr.SCAddressType.SC_ADDRESS_TYPE_MUXED_ACCOUNT,
        muxed_account=xdr.MuxedEd25519Account(
            xdr.Uint64(9), present(muxed.to_xdr_object().med25519).ed25519
        ),
    )
    value = xdr.SCVal(xdr.SCValType.SCV_ADDRESS, address=receiver)

    args = [scval.to_address(address("buyer")), value, scval.to_int128(UNIT)]
    answer = world.call(TOKEN, "transfer", args)

    assert answer.error is None
    data = present(answer.invocation.events[0].body.v0).data
    assert scval.to_native(data) == {"amount": UNIT, "to_muxed_id": 9}
    assert balance(world, address("seller")) == 1_001 * UNIT


def test_the_issuer_mints_and_burns(world: World) -> None:
    issuer = IDENTITY.usdc.issuer or ""

    mint = transfer(world, issuer, address("buyer"), UNIT)
    burn = transfer(world, address("buyer"), issuer, UNIT)

    names = [
        scval.from_symbol(present(answer.invocation.events[0].body.v0).topics[0])
        for answer in (mint, burn)
    ]
    assert names == ["mint", "burn"]
    assert balance(world, issuer) == 2**63 - 1


def test_native_xlm_has_a_contract_too(world: World) -> None:
    before = balance(world, address("buyer"), XLM)

    assert transfer(world, address("buyer"), address("seller"), UNIT, XLM).error is None

    assert balance(world, address("buyer"), XLM) == before - UNIT


def test_refusals_have_their_documented_numbers(world: World) -> None:
    buyer, nobody = address("buyer"), address("nobody")
    ask = [scval.to_address(nobody)]

    assert transfer(world, buyer, address("seller"), -1).error == refusal(8)
    assert transfer(world, buyer, address("seller"), 1_001 * UNIT).error == refusal(10)
    assert transfer(world, buyer, nobody, 1).error == refusal(13)
    assert world.call(TOKEN, "balance", ask).error == refusal(13)
    assert world.call(XLM, "balance", ask).error == refusal(6)
    assert transfer(world, buyer, nobody, 1, XLM).error == refusal(6)


def freeze(world: World, name: str) -> None:
    line = read_trustline(world.view, address(name), IDENTITY.usdc)
    write_trustline(world.view, replace(present(line), authorized=False))


def authorized(world: World, holder: str) -> bool:
    answer = world.call(TOKEN, "authorized", [scval.to_address(holder)])
    return scval.from_bool(present(answer.value))


def test_a_holder_without_authorisation_neither_pays_nor_receives(world: World) -> None:
    freeze(world, "seller")

    assert transfer(world, address("buyer"), address("seller"), 1).error == refusal(11)
    assert transfer(world, address("seller"), address("buyer"), 1).error == refusal(11)
    assert not authorized(world, address("seller"))
    assert authorized(world, address("buyer"))
    assert balance(world, address("seller")) == 1_000 * UNIT


def test_an_amount_beyond_a_trustlines_type_is_an_overflow(world: World) -> None:
    assert transfer(world, address("buyer"), address("seller"), 2**63).error == refusal(12)
    assert transfer(world, address("buyer"), address("seller"), 2**63 - 1).error == refusal(10)


def test_a_contract_without_balance_pays_nothing_and_stores_nothing(world: World) -> None:
    contract, view = world.deploy(), world.view
    host = Host(
        view=Footprint(view, sequence=2, lifetimes=LIFETIMES),
        passphrase=IDENTITY.passphrase,
        contracts=Registry(fee_address=IDENTITY.fee_address),
        authority=Recorder(source=address("buyer")),
    )
    host._frames.append(Frame(TOKEN, "transfer", []))

    AssetContract(IDENTITY.usdc)._spend(host, contract, 0)

    assert not host.view.written


def test_the_issuers_account_is_read_at_a_contracts_first_receipt(world: World) -> None:
    contract, key = world.deploy(), keys.account(IDENTITY.usdc.issuer or "")

    first = transfer(world, address("buyer"), contract, 1).invocation.view
    second = transfer(world, address("buyer"), contract, 1).invocation.view

    assert key in first.read
    assert key not in first.written
    assert key not in second.read


def test_an_unknown_function_traps(world: World) -> None:
    assert world.call(TOKEN, "clawback", []).error == "Error(Context, MissingValue)"
    assert world.call(TOKEN, "balance", []).error == "Error(Context, UnexpectedSize)"
    wrong = [scval.to_uint32(1)]
    assert world.call(TOKEN, "balance", wrong).error == "Error(Value, UnexpectedType)"


@pytest.mark.parametrize(
    ("method", "amount", "number"), [("_spend", 1, 10), ("_receive", I128_MAX, 12)]
)
def test_a_contracts_balance_stays_within_its_type(
    world: World, method: str, amount: int, number: int
) -> None:
    contract = world.deploy()
    transfer(world, address("buyer"), contract, 1 if number == 12 else 0)
    host = Host(
        view=Footprint(world.view, sequence=2, lifetimes=LIFETIMES),
        passphrase=IDENTITY.passphrase,
        contracts=Registry(fee_address=IDENTITY.fee_address),
        authority=Recorder(source=address("buyer")),
    )
    host._frames.append(Frame(TOKEN, "transfer", []))

    with pytest.raises(HostError) as raised:
        getattr(AssetContract(IDENTITY.usdc), method)(host, contract, amount)

    assert str(raised.value) == refusal(number)
