"""The escrow contract's rules: what it pays, and every number with which it refuses."""

from dataclasses import replace

import pytest
from stellar_sdk import scval, xdr

from devnet.chain import keys
from devnet.chain.addresses import present, sc_address
from devnet.soroban import escrow_value
from devnet.soroban.escrow_value import Flags
from devnet.soroban.profiles import PROFILE_B_DEV
from tests.unit.devnet.world import (
    IDENTITY,
    SALT,
    UNIT,
    Answer,
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


def funded(world: World, **changes: object) -> str:
    contract = world.deploy(an_escrow(**changes))
    assert world.fund(contract, AMOUNT).error is None
    return contract


def approved(world: World, **changes: object) -> str:
    contract = funded(world, **changes)
    assert world.change_status(contract).error is None
    assert world.approve(contract).error is None
    return contract


def disputed(world: World, **changes: object) -> str:
    contract = funded(world, **changes)
    assert world.dispute(contract).error is None
    return contract


def event_names(answer: Answer) -> list[str]:
    return [
        scval.from_symbol(present(event.body.v0).topics[0]) for event in answer.invocation.events
    ]


def test_release_pays_amount_less_thirty_basis_points(world: World) -> None:
    contract = approved(world)

    answer = world.release(contract)

    assert answer.error is None
    assert world.usdc("seller") == 1_000 * UNIT + 797_600_000
    assert world.usdc(IDENTITY.fee_address) == 2_400_000
    assert world.held(contract) == 0
    assert world.stored(contract).flags == Flags(disputed=False, released=True, resolved=False)
    assert event_names(answer) == ["transfer", "transfer", "tw_release"]


def test_release_pays_provider_then_platform_then_receiver(world: World) -> None:
    contract = approved(world, platform_fee=500)

    answer = world.release(contract)

    receivers = [
        scval.from_address(present(event.body.v0).topics[2]).address
        for event in answer.invocation.events[:3]
    ]
    assert receivers == [IDENTITY.fee_address, address("platform"), address("seller")]
    assert world.usdc("platform") == 1_000 * UNIT + 4 * UNIT
    assert world.usdc("seller") == 1_000 * UNIT + 757_600_000


def test_release_leaves_surplus_in_the_contract(world: World) -> None:
    contract = approved(world)
    assert world.fund(contract, 5 * UNIT).error is None

    assert world.release(contract).error is None

    assert world.held(contract) == 5 * UNIT


def test_resolving_all_to_the_buyer_charges_the_fee(world: World) -> None:
    contract = disputed(world)

    answer = world.resolve(contract, {"buyer": AMOUNT})

    assert answer.error is None
    assert world.usdc("buyer") == 1_000 * UNIT - 2_400_000
    assert world.stored(contract).flags == Flags(disputed=False, released=False, resolved=True)
    assert event_names(answer)[-1] == "tw_disp_resolve"


def test_resolving_with_a_split_shares_the_fee(world: World) -> None:
    contract = disputed(world, platform_fee=100)

    answer = world.resolve(contract, {"buyer": 30 * UNIT, "seller": 50 * UNIT})

    assert answer.error is None
    assert world.usdc("buyer") == 920 * UNIT + 30 * UNIT - 900_000 - 3_000_000
    assert world.usdc("seller") == 1_000 * UNIT + 50 * UNIT - 1_500_000 - 5_000_000
    assert world.usdc(IDENTITY.fee_address) == 2_400_000
    assert world.usdc("platform") == 1_000 * UNIT + 8_000_000
    assert world.held(contract) == 0


def test_withdrawing_pays_a_surplus_after_release_without_an_event_of_its_own(
    world: World,
) -> None:
    contract = approved(world)
    assert world.fund(contract, 10 * UNIT).error is None
    assert world.release(contract).error is None

    answer = world.resolve(contract, {"buyer": 10 * UNIT}, function="withdraw_remaining_funds")

    assert answer.error is None
    assert world.held(contract) == 0
    assert set(event_names(answer)) == {"transfer"}


def test_a_second_deploy_with_the_same_salt_is_impossible(world: World) -> None:
    world.deploy()

    assert world.try_deploy(an_escrow()).error == "Error(Storage, ExistingValue)"


def test_an_escrow_deploys_no_others(world: World) -> None:
    contract = world.deploy()
    args = world.deploy_args(an_escrow(), salt=b"\x01" * 32)

    assert world.call(contract, "tw_new_single_release_escrow", args).error == refusal(2)


@pytest.mark.parametrize(
    ("position", "value", "error"),
    [
        (1, scval.to_bytes(b"\x01" * 32), "Error(Storage, MissingValue)"),
        (1, scval.to_string("hash"), "Error(WasmVm, InvalidAction)"),
        (2, scval.to_bytes(b"\x01" * 31), "Error(WasmVm, InvalidAction)"),
        (3, scval.to_symbol("no_such_function"), "Error(WasmVm, MissingValue)"),
        (4, scval.to_vec([]), "Error(WasmVm, UnexpectedSize)"),
        (5, scval.to_vec([scval.to_void()]), "Error(Context, InvalidAction)"),
    ],
)
def test_a_wrong_deployment_leaves_nothing(
    world: World, position: int, value: xdr.SCVal, error: str
) -> None:
    args = world.deploy_args(an_escrow(), salt=SALT)
    args[position] = value

    answer = world.call(IDENTITY.factory, "tw_new_single_release_escrow", args)

    assert answer.error == error
    assert world.try_deploy(an_escrow()).error is None


def test_evidence_is_kept_when_none_is_given(world: World) -> None:
    contract = world.deploy()

    world.change_status(contract, evidence="https://example.org/1")
    world.change_status(contract, status="better")

    milestone = world.stored(contract).milestones[0]
    assert (milestone.status, milestone.evidence) == (b"better", b"https://example.org/1")


def test_a_funded_escrow_takes_new_milestones_only(world: World) -> None:
    contract = funded(world)
    stored = world.stored(contract)
    longer = replace(stored, milestones=(*stored.milestones, a_milestone(description=b"more")))

    raised = Flags(disputed=True, released=False, resolved=False)
    other = replace(stored, milestones=(a_milestone(description=b"other"),))
    approved_one = (*stored.milestones, a_milestone(approved=True))

    assert world.update(contract, replace(stored, amount=1)).error == refusal(33)
    assert world.update(contract, other).error == refusal(33)
    assert world.update(contract, replace(stored, flags=raised)).error == refusal(32)
    assert world.update(contract, replace(stored, milestones=approved_one)).error == refusal(32)
    assert world.update(contract, longer).error is None
    assert len(world.stored(contract).milestones) == 2


def test_extending_reaches_the_escrow_entry_only(world: World) -> None:
    contract = world.deploy()
    instance = world.view.get(keys.instance(contract))
    args = [scval.to_address(address("platform")), scval.to_uint32(3_000_000)]

    assert world.call(contract, "extend_contract_ttl", args).error is None

    assert world.view.get(keys.instance(contract)) == instance


def test_a_build_that_takes_the_fee_address_pays_it() -> None:
    world = World(PROFILE_B_DEV)
    contract = approved(world)
    fee_address = world.open("provider", usdc=0)
    args = [scval.to_address(address("buyer")), scval.to_address(fee_address)]

    assert world.call(contract, "release_funds", args).error is None

    assert world.usdc("provider") == 2_400_000


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (31, {"platform_fee": 9_901}),
        (1, {"amount": -1}),
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
    contract = approved(world)
    world.release(contract)

    assert world.release(contract).error == refusal(35)


def test_disputing_is_refused(world: World) -> None:
    contract = funded(world)

    assert world.dispute(contract, signer="stranger").error == refusal(26)
    assert world.dispute(contract, signer="resolver").error == refusal(40)
    assert world.dispute(contract).error is None
    assert world.dispute(contract).error == refusal(13)
    world.resolve(contract, {"seller": AMOUNT})
    assert world.dispute(contract).error == refusal(24)


def test_a_released_escrow_can_still_be_disputed(world: World) -> None:
    contract = approved(world)
    world.release(contract)

    assert world.dispute(contract).error is None


def test_resolving_is_refused(world: World) -> None:
    contract = funded(world)
    everything = {"buyer": AMOUNT}

    assert world.resolve(contract, everything).error == refusal(14)
    world.dispute(contract)
    assert world.resolve(contract, {"buyer": AMOUNT, "seller": 0}).error == refusal(38)
    assert world.resolve(contract, everything, resolver="platform").error == refusal(12)
    assert world.resolve(contract, {"buyer": AMOUNT + 1}).error == refusal(15)
    assert world.resolve(contract, {"buyer": AMOUNT - 1}).error == refusal(39)
    many = {f"somebody-{number}": UNIT for number in range(51)}
    assert world.resolve(contract, many).error == refusal(45)


def test_resolving_nothing_is_refused(world: World) -> None:
    contract = world.deploy()
    world.dispute(contract)

    assert world.resolve(contract, {}).error == refusal(41)


def test_withdrawing_is_refused(world: World) -> None:
    contract = funded(world)
    withdraw = "withdraw_remaining_funds"

    assert world.resolve(contract, {"buyer": 1}, function=withdraw).error == refusal(44)
    world.dispute(contract)
    by_platform = world.resolve(contract, {"buyer": 1}, resolver="platform", function=withdraw)
    assert by_platform.error == refusal(12)
    assert world.resolve(contract, {}, function=withdraw).error == refusal(41)
    too_much = world.resolve(contract, {"buyer": AMOUNT + 1}, function=withdraw)
    assert too_much.error == refusal(15)


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


def test_extending_is_the_platforms_business(world: World) -> None:
    contract = world.deploy()
    args = [scval.to_address(address("buyer")), scval.to_uint32(1)]

    assert world.call(contract, "extend_contract_ttl", args).error == refusal(7)


def test_an_empty_instance_has_no_escrow(world: World) -> None:
    assert world.call(IDENTITY.factory, "get_escrow", []).error == refusal(3)


def test_a_receiver_without_trustline_is_the_tokens_refusal(world: World) -> None:
    roles = some_roles(receiver=address("nobody"))
    contract = approved(world, roles=roles)

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


def test_maps_out_of_order_are_refused(world: World) -> None:
    contract = disputed(world)
    shares = {"buyer": 30 * UNIT, "seller": 50 * UNIT}
    paid = scval.to_map(
        {scval.to_address(address(n)): scval.to_int128(a) for n, a in shares.items()}
    )
    present(paid.map).sc_map.reverse()
    args = [scval.to_address(address("resolver")), paid]

    answer = world.call(contract, "resolve_dispute", args)
    assert answer.error == "Error(Object, InvalidInput)"
