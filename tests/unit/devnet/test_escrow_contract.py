"""The escrow contract's effects and payments; test_escrow_refusals.py has its refusals."""

from dataclasses import replace

import pytest
from stellar_sdk import scval, xdr

from devnet.chain import keys
from devnet.chain.addresses import present
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
)

AMOUNT = 80 * UNIT


@pytest.fixture
def world() -> World:
    return World()


def event_names(answer: Answer) -> list[str]:
    return [
        scval.from_symbol(present(event.body.v0).topics[0]) for event in answer.invocation.events
    ]


def test_release_pays_amount_less_thirty_basis_points(world: World) -> None:
    contract = world.approved()

    answer = world.release(contract)

    assert answer.error is None
    assert world.usdc("seller") == 1_000 * UNIT + 797_600_000
    assert world.usdc(IDENTITY.fee_address) == 2_400_000
    assert world.held(contract) == 0
    assert world.stored(contract).flags == Flags(disputed=False, released=True, resolved=False)
    assert event_names(answer) == ["transfer", "transfer", "tw_release"]


def test_release_pays_provider_then_platform_then_receiver(world: World) -> None:
    contract = world.approved(platform_fee=500)

    answer = world.release(contract)

    receivers = [
        scval.from_address(present(event.body.v0).topics[2]).address
        for event in answer.invocation.events[:3]
    ]
    assert receivers == [IDENTITY.fee_address, address("platform"), address("seller")]
    assert world.usdc("platform") == 1_000 * UNIT + 4 * UNIT
    assert world.usdc("seller") == 1_000 * UNIT + 757_600_000


def test_release_leaves_surplus_in_the_contract(world: World) -> None:
    contract = world.approved()
    assert world.fund(contract, 5 * UNIT).error is None

    assert world.release(contract).error is None

    assert world.held(contract) == 5 * UNIT


def test_resolving_all_to_the_buyer_charges_the_fee(world: World) -> None:
    contract = world.disputed()

    answer = world.resolve(contract, {"buyer": AMOUNT})

    assert answer.error is None
    assert world.usdc("buyer") == 1_000 * UNIT - 2_400_000
    assert world.stored(contract).flags == Flags(disputed=False, released=False, resolved=True)
    assert event_names(answer)[-1] == "tw_disp_resolve"


def test_resolving_with_a_split_shares_the_fee(world: World) -> None:
    contract = world.disputed(platform_fee=100)

    answer = world.resolve(contract, {"buyer": 30 * UNIT, "seller": 50 * UNIT})

    assert answer.error is None
    assert world.usdc("buyer") == 920 * UNIT + 30 * UNIT - 900_000 - 3_000_000
    assert world.usdc("seller") == 1_000 * UNIT + 50 * UNIT - 1_500_000 - 5_000_000
    assert world.usdc(IDENTITY.fee_address) == 2_400_000
    assert world.usdc("platform") == 1_000 * UNIT + 8_000_000
    assert world.held(contract) == 0


def test_withdrawing_a_surplus_after_release_emits_no_event(
    world: World,
) -> None:
    contract = world.approved()
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
def test_failed_deployment_leaves_no_entries(
    world: World, position: int, value: xdr.SCVal, error: str
) -> None:
    args = world.deploy_args(an_escrow(), salt=SALT)
    args[position] = value

    answer = world.call(IDENTITY.factory, "tw_new_single_release_escrow", args)

    assert answer.error == error
    assert world.try_deploy(an_escrow()).error is None


def test_status_change_without_evidence_keeps_the_earlier_evidence(world: World) -> None:
    contract = world.deploy()

    world.change_status(contract, evidence="https://example.org/1")
    world.change_status(contract, status="better")

    milestone = world.stored(contract).milestones[0]
    assert (milestone.status, milestone.evidence) == (b"better", b"https://example.org/1")


def test_a_funded_escrow_takes_new_milestones_only(world: World) -> None:
    contract = world.funded()
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


def test_build_with_a_fee_address_argument_pays_that_address() -> None:
    world = World(PROFILE_B_DEV)
    contract = world.approved()
    fee_address = world.open("provider", usdc=0)
    args = [scval.to_address(address("buyer")), scval.to_address(fee_address)]

    assert world.call(contract, "release_funds", args).error is None

    assert world.usdc("provider") == 2_400_000


def test_balances_are_asked_for_several_escrows_at_once(world: World) -> None:
    contract = world.funded()
    asked = scval.to_vec([scval.to_address(contract)])

    for on in (contract, IDENTITY.factory):
        answer = world.call(on, "get_multiple_escrow_balances", [asked])

        assert [scval.to_native(item) for item in scval.from_vec(present(answer.value))] == [
            {
                "address": scval.from_address(scval.to_address(contract)),
                "balance": 80 * UNIT,
                "trustline_decimals": 7,
            }
        ]


def test_at_most_twenty_balances_are_asked_for(world: World) -> None:
    contract = scval.to_address(world.deploy())

    for count, error in ((20, None), (21, refusal(25))):
        asked = scval.to_vec([contract] * count)
        answer = world.call(IDENTITY.factory, "get_multiple_escrow_balances", [asked])
        assert answer.error == error


def test_an_escrow_is_read_through_another_instance_but_not_through_itself(world: World) -> None:
    contract = world.deploy()
    args = [scval.to_address(contract)]

    through = world.call(IDENTITY.factory, "get_escrow_by_contract_id", args)
    own = world.call(contract, "get_escrow_by_contract_id", args)

    assert through.value == world.call(contract, "get_escrow", []).value
    assert own.error == "Error(Context, InvalidAction)"


def test_constructor_cannot_be_called_directly(world: World) -> None:
    assert world.call(world.deploy(), "__constructor", []).error == "Error(Context, InvalidAction)"


def test_a_salt_has_32_bytes(world: World) -> None:
    args = world.deploy_args(an_escrow(), salt=b"short")

    for on in (IDENTITY.factory, world.deploy()):
        answer = world.call(on, "tw_new_single_release_escrow", args)

        assert answer.error == "Error(WasmVm, InvalidAction)"


def test_taken_address_is_refused_before_unknown_code_and_wrong_arguments(
    world: World,
) -> None:
    args = world.deploy_args(an_escrow(), salt=SALT)
    args[1] = scval.to_bytes(b"\xff" * 32)
    args[5] = scval.to_vec([scval.to_uint32(1)])

    unknown = world.call(IDENTITY.factory, "tw_new_single_release_escrow", args)
    world.deploy()
    taken = world.call(IDENTITY.factory, "tw_new_single_release_escrow", args)

    assert unknown.error == "Error(Storage, MissingValue)"
    assert taken.error == "Error(Storage, ExistingValue)"
