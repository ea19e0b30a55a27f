"""The contract's ABI: each build's arguments, and the escrow that it stores."""

from dataclasses import replace

import pytest
from stellar_sdk import scval, xdr

from kernel.money import UNIT
from services.escrow.contracts.evidence import MilestoneView
from services.escrow.contracts.intents import (
    ApproveMilestone,
    DeployEscrow,
    ReleaseFunds,
    ResolveDispute,
)
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.contract import (
    PROFILES,
    Contract,
    Contracts,
    UnknownBuild,
    decode_escrow,
)
from tests.unit.escrow.stellar_envelopes import (
    ASSET_CONTRACT,
    BUYER,
    ESCROW,
    FACTORY,
    FEES,
    INTENTS,
    OPTIONS,
    PLATFORM,
    ROLES,
    SELLER,
    WASM_HASH,
)


def contract(profile: str) -> Contract:
    return Contract(
        profile=PROFILES[profile], asset_contract=ASSET_CONTRACT, provider_fee_address=FEES
    )


def deployment() -> DeployEscrow:
    intent = INTENTS["deploy_escrow"]
    assert isinstance(intent, DeployEscrow)
    return intent


def stored(profile: str) -> xdr.SCVal:
    return scval.from_vec(contract(profile).call(deployment()).args[4])[0]


def test_deployment_has_the_arguments_of_the_current_build() -> None:
    call = contract("B").call(deployment())

    assert (call.contract_id, call.function, call.authorizer) == (
        FACTORY,
        "tw_new_single_release_escrow",
        PLATFORM,
    )
    assert [arg.type.name for arg in call.args] == [
        "SCV_ADDRESS",
        "SCV_BYTES",
        "SCV_BYTES",
        "SCV_SYMBOL",
        "SCV_VEC",
        "SCV_VEC",
    ]
    assert scval.from_bytes(call.args[1]).hex() == WASM_HASH
    assert scval.from_symbol(call.args[3]) == "initialize_escrow"
    assert list(scval.from_struct(stored("B"))) == [
        "amount",
        "description",
        "engagement_id",
        "flags",
        "milestones",
        "platform_fee",
        "receiver_memo",
        "roles",
        "title",
        "trustline",
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_stored_escrow_is_decoded_to_the_deployed_values(profile: str) -> None:
    read = decode_escrow(stored(profile))

    assert (read.amount, read.platform_fee_bps, read.engagement_id) == (80 * UNIT, 150, "ord_1")
    assert (read.disputed, read.released, read.resolved) == (False, False, False)
    assert read.roles == ROLES
    assert (read.title, read.description) == ("Title", "Words")
    assert read.milestones == tuple(
        MilestoneView(description=text, status="pending", approved=False)
        for text in ("First", "Second")
    )


@pytest.mark.parametrize(
    ("profile", "field", "memo", "index"),
    [
        ("B", "platform", "SCV_U32", "SCV_U32"),
        ("B-dev", "platform", "SCV_U32", "SCV_U32"),
        ("A-main", "platform_address", "SCV_I128", "SCV_I128"),
        ("A-dev", "platform_address", "SCV_I128", "SCV_I128"),
    ],
)
def test_builds_differ_in_field_names_and_integer_types(
    profile: str, field: str, memo: str, index: str
) -> None:
    approval = ApproveMilestone(contract_id=ESCROW, wasm_hash=WASM_HASH, approver=BUYER, index=1)
    fields = scval.from_struct(stored(profile))

    call = contract(profile).call(approval)

    assert field in scval.from_struct(fields["roles"])
    assert fields["receiver_memo"].type.name == memo
    assert call.args[0].type.name == index


@pytest.mark.parametrize(("profile", "told"), [("B", 0), ("B-dev", 1), ("A-main", 0), ("A-dev", 1)])
def test_some_builds_take_the_providers_fee_address_as_an_argument(profile: str, told: int) -> None:
    release, resolve = INTENTS["release_funds"], INTENTS["resolve_dispute"]
    assert isinstance(release, ReleaseFunds)
    assert isinstance(resolve, ResolveDispute)

    released = contract(profile).call(release).args
    resolved = contract(profile).call(resolve).args

    assert (len(released), len(resolved)) == (1 + told, 2 + told)
    if told:
        assert scval.from_address(released[1]).address == FEES
        assert scval.from_address(resolved[1]).address == FEES


def test_distributions_are_a_map_sorted_by_key() -> None:
    resolve = INTENTS["resolve_dispute"]
    assert isinstance(resolve, ResolveDispute)
    backwards = replace(resolve, distributions=dict(reversed(list(resolve.distributions.items()))))

    one, other = contract("B").call(resolve), contract("B").call(backwards)

    shares = one.args[1].map
    assert shares is not None
    keys = [entry.key.to_xdr_bytes() for entry in shares.sc_map]
    assert keys == sorted(keys)
    assert one.args[1] == other.args[1]


def test_contract_id_of_older_builds_depends_on_the_signer() -> None:
    options = replace(OPTIONS, profiles={WASM_HASH: "A-main"})
    intent = deployment()

    newer, older = Blueprints(options=OPTIONS), Blueprints(options=options)
    call = older.of(intent).operations[0].body.invoke_host_function_op

    assert call is not None
    (creation,) = call.auth[0].root_invocation.sub_invocations
    assert creation.function.create_contract_v2_host_fn is not None
    assert older.contract_id(intent) != newer.contract_id(intent)
    assert older.contract_id(replace(intent, signer=SELLER)) != older.contract_id(intent)
    assert newer.contract_id(replace(intent, signer=SELLER)) == newer.contract_id(intent)


def test_a_build_that_is_not_listed_is_unknown() -> None:
    known = Contracts(options=OPTIONS, asset_contract=ASSET_CONTRACT)

    with pytest.raises(UnknownBuild):
        known.of("00" * 32)


def test_unknown_factory_is_refused() -> None:
    with pytest.raises(UnknownBuild, match="not a factory"):
        Blueprints(options=OPTIONS).of(replace(deployment(), factory=ESCROW))


@pytest.mark.parametrize("value", [scval.to_void(), scval.to_struct({"a": scval.to_void()})])
def test_a_value_that_is_no_escrow_is_refused(value: xdr.SCVal) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_escrow(value)
