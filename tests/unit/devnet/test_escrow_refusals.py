"""Every number with which the escrow contract refuses, and what traps."""

from dataclasses import replace

import pytest
from stellar_sdk import scval, xdr

from devnet.chain.addresses import present, sc_address
from devnet.soroban import escrow_value
from devnet.soroban.escrow_value import Flags
from tests.unit.devnet.world import (
    IDENTITY,
    UNIT,
    World,
    a_milestone,
    address,
    an_escrow,
    refusal,
    some_roles,
)

AMOUNT = 80 * UNIT


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (31, {"platform_fee": 9_901}),
        (1, {"amount": -1}),
        (1, {"amount": 0}),
        (31, {"platform_fee": 9_901, "amount": 0}),
        (1, {"amount": 0, "milestones": ()}),
        (9, {"milestones": ()}),
        (27, {"milestones": (a_milestone(),) * 51}),
        (32, {"milestones": (a_milestone(approved=True),)}),
        (32, {"flags": Flags(disputed=False, released=True, resolved=False)}),
    ],
)
def test_initialising_is_refused(world: World, number: int, changes: dict[str, object]) -> None:
    assert world.try_deploy(an_escrow(**changes)).error == refusal(number)


def test_an_escrow_is_initialised_once(world: World) -> None:
    contract = world.deploy()
    again = [escrow_value.encode(an_escrow(amount=1), profile=world.profile)]

    assert world.call(contract, "initialize_escrow", again).error == refusal(2)


def test_an_escrow_without_milestones_can_neither_progress_nor_pay(world: World) -> None:
    contract = world.deploy()
    world.store(contract, an_escrow(milestones=()))

    assert world.change_status(contract).error == refusal(9)
    assert world.release(contract).error == refusal(9)


def test_funding_is_refused(world: World) -> None:
    contract = world.deploy()
    args = world.fund_args(contract, AMOUNT)
    zero = [*args[:2], scval.to_int128(0)]

    assert world.call(contract, "fund_escrow", zero).error == refusal(1)
    assert world.fund(contract, 1_001 * UNIT).error == refusal(42)
    world.change_status(contract)
    assert world.call(contract, "fund_escrow", args).error == refusal(33)


def test_changing_a_status_is_refused(world: World) -> None:
    contract = world.deploy()

    assert world.change_status(contract, status="").error == refusal(30)
    assert world.change_status(contract, provider="buyer").error == refusal(8)
    assert world.change_status(contract, index=1).error == refusal(46)


def test_a_milestone_that_began_without_a_status_never_gets_one(world: World) -> None:
    contract = world.deploy(an_escrow(milestones=(a_milestone(status=b""),)))

    assert world.change_status(contract, provider="buyer").error == refusal(8)
    assert world.change_status(contract, index=1).error == refusal(46)
    assert world.change_status(contract).error == refusal(30)


def test_the_funders_trustline_is_asked_for_before_the_amount(world: World) -> None:
    contract = world.deploy()
    args = world.fund_args(contract, 0, signer="nobody")

    assert world.call(contract, "fund_escrow", args).error == refusal(13)


def test_approving_is_refused(world: World) -> None:
    contract = world.deploy(an_escrow(milestones=(a_milestone(), a_milestone(status=b""))))

    assert world.approve(contract, index=2).error == refusal(10)
    assert world.approve(contract, approver="seller").error == refusal(11)
    assert world.approve(contract, index=1).error == refusal(30)
    assert world.approve(contract).error is None
    assert world.approve(contract).error == refusal(29)


def test_releasing_is_refused(world: World) -> None:
    contract = world.deploy()

    assert world.release(contract, signer="seller").error == refusal(4)
    assert world.release(contract).error == refusal(5)
    world.approve(contract)
    assert world.release(contract).error == refusal(6)
    world.fund(contract, AMOUNT)
    world.dispute(contract)
    assert world.release(contract).error == refusal(16)
    world.resolve(contract, {"buyer": AMOUNT})
    assert world.release(contract).error == refusal(24)


def test_releasing_twice_is_refused(world: World) -> None:
    contract = world.approved()
    world.release(contract)

    assert world.release(contract).error == refusal(35)


def test_disputing_is_refused(world: World) -> None:
    contract = world.funded()

    assert world.dispute(contract, signer="stranger").error == refusal(26)
    assert world.dispute(contract, signer="resolver").error == refusal(40)
    assert world.dispute(contract).error is None
    assert world.dispute(contract).error == refusal(13)
    world.resolve(contract, {"seller": AMOUNT})
    assert world.dispute(contract).error == refusal(24)


def test_a_released_escrow_can_still_be_disputed(world: World) -> None:
    contract = world.approved()
    world.release(contract)

    assert world.dispute(contract).error is None


def test_resolving_is_refused(world: World) -> None:
    contract = world.funded()
    everything = {"buyer": AMOUNT}

    assert world.resolve(contract, everything).error == refusal(14)
    world.dispute(contract)
    assert world.resolve(contract, {"buyer": AMOUNT, "seller": 0}).error == refusal(38)
    assert world.resolve(contract, everything, resolver="platform").error == refusal(12)
    assert world.resolve(contract, {"buyer": AMOUNT + 1}).error == refusal(15)
    assert world.resolve(contract, {"buyer": AMOUNT - 1}).error == refusal(39)
    many = {f"somebody-{number}": UNIT for number in range(51)}
    assert world.resolve(contract, many).error == refusal(45)
    most = 2**127 - 1
    assert world.resolve(contract, {"buyer": most, "seller": most}).error == refusal(17)


def test_resolving_nothing_is_refused(world: World) -> None:
    contract = world.deploy()
    world.dispute(contract)

    assert world.resolve(contract, {}).error == refusal(41)


def test_withdrawing_is_refused(world: World) -> None:
    contract = world.funded()
    withdraw = "withdraw_remaining_funds"

    assert world.resolve(contract, {"buyer": 1}, function=withdraw).error == refusal(44)
    world.dispute(contract)
    by_platform = world.resolve(contract, {"buyer": 1}, resolver="platform", function=withdraw)
    assert by_platform.error == refusal(12)
    assert world.resolve(contract, {}, function=withdraw).error == refusal(41)
    too_much = world.resolve(contract, {"buyer": AMOUNT + 1}, function=withdraw)
    assert too_much.error == refusal(15)
    most = {"buyer": 2**127 - 1, "seller": 1}
    assert world.resolve(contract, most, function=withdraw).error == refusal(17)


def test_updating_is_refused(world: World) -> None:
    contract = world.deploy()
    stored = world.stored(contract)
    other_platform = some_roles(platform=address("stranger"))
    raised = Flags(disputed=True, released=False, resolved=False)

    assert world.update(contract, stored, platform="buyer").error == refusal(7)
    assert world.update(contract, replace(stored, roles=other_platform)).error == refusal(37)
    assert world.update(contract, replace(stored, flags=raised)).error == refusal(32)
    world.approve(contract)
    assert world.update(contract, stored).error == refusal(22)
    world.dispute(contract)
    assert world.update(contract, stored).error == refusal(16)


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (31, {"platform_fee": 9_901, "amount": 0}),
        (1, {"amount": 0}),
        (9, {"milestones": ()}),
        (27, {"milestones": (a_milestone(),) * 51}),
    ],
)
def test_an_updates_numbers_are_checked_before_its_caller(
    world: World, number: int, changes: dict[str, object]
) -> None:
    contract = world.funded()

    assert world.update(contract, an_escrow(**changes), platform="buyer").error == refusal(number)


def test_an_update_approves_nothing(world: World) -> None:
    contract = world.deploy()
    approved = an_escrow(milestones=(a_milestone(approved=True),))

    assert world.update(contract, approved).error == refusal(32)


def test_only_the_platform_extends(world: World) -> None:
    contract = world.deploy()
    args = [scval.to_address(address("buyer")), scval.to_uint32(1)]

    assert world.call(contract, "extend_contract_ttl", args).error == refusal(7)


def test_an_empty_instance_has_no_escrow(world: World) -> None:
    assert world.call(IDENTITY.factory, "get_escrow", []).error == refusal(3)


def test_a_receiver_without_trustline_is_the_tokens_refusal(world: World) -> None:
    roles = some_roles(receiver=address("nobody"))
    contract = world.approved(roles=roles)

    answer = world.release(contract)

    assert answer.error == refusal(13)
    innermost = answer.invocation.diagnostics[0].event.contract_id
    assert innermost == sc_address(IDENTITY.usdc_contract).contract_id
    assert world.held(contract) == AMOUNT


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_argument_count_traps(world: World, count: int) -> None:
    contract = world.deploy()
    args = [scval.to_address(address("buyer"))] * count

    answer = world.call(contract, "release_funds", args)

    assert answer.error == "Error(WasmVm, UnexpectedSize)"


def test_a_wrong_argument_type_traps(world: World) -> None:
    contract = world.deploy()

    answer = world.call(contract, "release_funds", [scval.to_uint32(1)])

    assert answer.error == "Error(WasmVm, InvalidAction)"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"title": None}, "Error(Object, UnexpectedSize)"),
        ({"zz": scval.to_uint32(1)}, "Error(Object, UnexpectedSize)"),
        ({"title": None, "name": scval.to_string("Logo")}, "Error(Object, InvalidInput)"),
        ({"flags": scval.to_map({})}, "Error(Object, UnexpectedSize)"),
        ({"flags": scval.to_bool(False)}, "Error(WasmVm, InvalidAction)"),
        ({"amount": scval.to_uint32(1)}, "Error(WasmVm, InvalidAction)"),
        ({"amount": scval.to_uint32(1), "roles": scval.to_map({})}, "Error(WasmVm, InvalidAction)"),
    ],
)
def test_a_malformed_escrow_is_refused_at_its_first_field(
    world: World, changes: dict[str, xdr.SCVal | None], error: str
) -> None:
    given = escrow_value.encode(an_escrow(), profile=world.profile)
    fields = {**scval.from_struct(given), **changes}
    value = scval.to_struct({name: part for name, part in fields.items() if part is not None})

    assert world.call(IDENTITY.factory, "initialize_escrow", [value]).error == error


def test_maps_out_of_order_are_refused(world: World) -> None:
    contract = world.disputed()
    shares = {"buyer": 30 * UNIT, "seller": 50 * UNIT}
    paid = scval.to_map(
        {scval.to_address(address(n)): scval.to_int128(a) for n, a in shares.items()}
    )
    present(paid.map).sc_map.reverse()
    args = [scval.to_address(address("resolver")), paid]

    answer = world.call(contract, "resolve_dispute", args)
    assert answer.error == "Error(Object, InvalidInput)"


def test_an_escrow_whose_token_is_an_account_is_stored_and_never_funded(world: World) -> None:
    contract = world.deploy(an_escrow(token=address("buyer")))

    assert world.fund(contract, AMOUNT).error == "Error(Storage, MissingValue)"
