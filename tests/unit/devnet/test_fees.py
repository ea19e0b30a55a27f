"""Resource fees, refunds and limits of contract transactions, and what a simulation asks for.

Sources: soroban-env-host, fees.rs; stellar-core, TransactionFrame.cpp and
InvokeHostFunctionOpFrame.cpp; soroban-settings; CAP-66 and CAP-67.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from stellar_sdk import (
    Account,
    FeeBumpTransactionEnvelope,
    Keypair,
    TextMemo,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
    xdr,
)

from devnet.chain import fees, keys
from devnet.chain.addresses import present
from devnet.chain.entries import read_account
from devnet.chain.envelope import parse
from devnet.chain.fees import Change, Resources
from devnet.chain.state import Entry
from devnet.chain.validity import check
from devnet.network.apply import apply_transaction
from devnet.network.outcome import Outcome
from devnet.network.simulate import Simulation, simulate
from devnet.soroban.escrow_value import Escrow
from tests.unit.devnet.world import IDENTITY, SALT, World, address, an_escrow

PLATFORM = Keypair.from_raw_ed25519_seed(b"platform".ljust(32, b"."))
DATA = keys.instance(IDENTITY.factory)
CODE = keys.code(b"x" * 32)
NONCE = keys.nonce(PLATFORM.public_key, 1)
NOTHING = Resources(
    instructions=0,
    disk_entries=0,
    disk_bytes=0,
    written_entries=0,
    written_bytes=0,
    transaction_bytes=0,
)
BASE = 4_757
"""What a transaction of no size leaves in history: 300 bytes at 16,235 a kilobyte."""


@pytest.fixture
def world() -> World:
    return World()


def deployment(escrow: Escrow | None = None) -> TransactionEnvelope:
    builder = TransactionBuilder(Account(PLATFORM.public_key, 0), IDENTITY.passphrase, base_fee=100)
    args = World().deploy_args(escrow or an_escrow(), salt=SALT)
    builder.append_invoke_contract_function_op(
        IDENTITY.factory, "tw_new_single_release_escrow", args
    )
    return builder.add_time_bounds(0, 0).build()


def simulated(world: World, draft: TransactionEnvelope) -> Simulation:
    return simulate(
        parse(draft.to_xdr(), network_id=IDENTITY.network_id),
        ledger=world.view,
        sequence=world.view.sequence,
        environment=world.environment,
        auth_mode=None,
    )


def finished(
    world: World,
    draft: TransactionEnvelope,
    change: Callable[[xdr.SorobanTransactionData], None] = lambda _: None,
) -> TransactionEnvelope:
    """Put what a simulation asks for into a transaction, change it, and sign."""
    done = simulated(world, draft)
    data = present(done.data)
    change(data)
    draft.transaction.soroban_data = data
    draft.transaction.operations[0].auth = list(done.auth)  # type: ignore[attr-defined]  # a call
    draft.transaction.fee = 100 + data.resource_fee.int64
    draft.sign(PLATFORM)
    return draft


def applied(world: World, envelope: TransactionEnvelope | FeeBumpTransactionEnvelope) -> Outcome:
    parsed = parse(envelope.to_xdr(), network_id=IDENTITY.network_id)
    assert check(parsed, view=world.view, now=0) is None
    return apply_transaction(parsed, ledger=world.view, environment=world.environment)


def code_of(outcome: Outcome) -> str:
    result = present(present(outcome.result.result.results)[0].tr)
    return present(result.invoke_host_function_result).code.name.removeprefix(
        "INVOKE_HOST_FUNCTION_"
    )


def is_invalid(world: World, envelope: TransactionEnvelope) -> bool:
    parsed = parse(envelope.to_xdr(), network_id=IDENTITY.network_id)
    result = check(parsed, view=world.view, now=0)
    return result is not None and result.result.code.name == "txSOROBAN_INVALID"


@pytest.mark.parametrize(
    ("resources", "fee"),
    [
        (NOTHING, BASE),
        (replace(NOTHING, instructions=10_001), BASE + 26),
        (replace(NOTHING, disk_entries=2), BASE + 12_500),
        (replace(NOTHING, disk_bytes=1_024), BASE + 1_786),
        (replace(NOTHING, written_entries=3), BASE + 30_000),
        (replace(NOTHING, written_bytes=1_025), BASE + 3_504),
        (replace(NOTHING, transaction_bytes=1_024), BASE + 16_235 + 1_624),
    ],
)
def test_non_refundable_fee_follows_the_declared_resources(resources: Resources, fee: int) -> None:
    assert fees.non_refundable(resources) == fee


@pytest.mark.parametrize(
    ("key", "before", "after", "fee"),
    [
        (DATA, None, (1_016, 2_073_600), 1_706_667 + 10_165),
        (CODE, None, (1_016, 2_073_600), 568_889 + 10_165),
        (NONCE, None, (1_016, 2_430), 1_000 + 10_165),
        (DATA, (1_016, 1_215), (1_016, 2_430), 1_000 + 10_165),
        (DATA, (1_016, 1_215), (2_040, 1_215), 1_000),
        (DATA, (2_040, 1_215), (1_016, 1_215), 0),
        (DATA, (1_016, 1_215), (1_016, 1_215), 0),
    ],
)
def test_rent_is_paid_for_more_ledgers_and_more_bytes(
    key: bytes, before: tuple[int, int] | None, after: tuple[int, int], fee: int
) -> None:
    """Sizes without the entry's own 8 bytes; the first ledger is number 1; 1,000 a kilobyte."""

    def entry(size: int, until: int) -> Entry:
        return Entry(b"." * size, live_until=until)

    change = Change(key, None if before is None else entry(*before), entry(*after))

    assert fees.rent([change], sequence=1, per_kilobyte=1_000) == fee


def test_a_deployment_on_the_main_network_costs_about_a_quarter_of_a_lumen(world: World) -> None:
    """Most of the fee is the rent of two entries for 2,073,600 ledgers."""
    fee = simulated(world, deployment()).resource_fee
    world.environment = replace(world.environment, rent_per_kilobyte=10_000)

    dear = simulated(world, deployment()).resource_fee

    assert 2_000_000 < fee < 3_500_000
    assert 20_000_000 < dear < 35_000_000


def test_unused_resource_fee_is_refunded(world: World) -> None:
    """CAP-67: the refund is an event of a negative fee, after all transactions."""
    envelope = finished(world, deployment())
    before = present(read_account(world.view, PLATFORM.public_key)).balance

    outcome = applied(world, envelope)

    paid = before - present(read_account(world.view, PLATFORM.public_key)).balance
    bill = present(outcome.bill)
    assert outcome.successful
    assert paid == outcome.result.fee_charged.int64
    assert paid == 100 + bill.non_refundable + bill.rent + bill.events
    assert bill.refund > 0
    meta = present(xdr.TransactionMeta.from_xdr_bytes(outcome.meta()).v4)
    told = present(present(meta.soroban_meta).ext.v1)
    assert told.rent_fee_charged.int64 == bill.rent
    assert told.total_non_refundable_resource_fee_charged.int64 == bill.non_refundable
    assert told.total_refundable_resource_fee_charged.int64 == bill.rent + bill.events
    fee, refund = (scval.to_native(present(e.event.body.v0).data) for e in meta.events)
    assert (fee, refund) == (envelope.transaction.fee, -bill.refund)


def test_failed_call_is_refunded_rent_and_events(world: World) -> None:
    envelope = finished(world, deployment())
    world.deploy()

    outcome = applied(world, envelope)

    bill = present(outcome.bill)
    assert code_of(outcome) == "TRAPPED"
    assert outcome.result.fee_charged.int64 == 100 + bill.non_refundable


def test_a_fee_that_does_not_cover_the_rent_fails_the_call(world: World) -> None:
    def less(data: xdr.SorobanTransactionData) -> None:
        data.resource_fee = xdr.Int64(data.resource_fee.int64 // 2)

    outcome = applied(world, finished(world, deployment(), less))

    assert code_of(outcome) == "INSUFFICIENT_REFUNDABLE_FEE"


@pytest.mark.parametrize("name", ["write_bytes", "disk_read_bytes"])
def test_call_that_exceeds_its_declared_resources_fails(world: World, name: str) -> None:
    contract = world.deploy()
    builder = TransactionBuilder(Account(PLATFORM.public_key, 0), IDENTITY.passphrase, base_fee=100)
    args = world.fund_args(contract, 1, signer="platform")
    builder.append_invoke_contract_function_op(contract, "fund_escrow", args)

    def less(data: xdr.SorobanTransactionData) -> None:
        declared = getattr(data.resources, name).uint32
        setattr(data.resources, name, xdr.Uint32(declared - 1))

    envelope = finished(world, builder.add_time_bounds(0, 0).build(), less)

    assert code_of(applied(world, envelope)) == "RESOURCE_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("length", "code"), [(7_164, "SUCCESS"), (7_165, "RESOURCE_LIMIT_EXCEEDED")]
)
def test_events_and_return_value_are_limited_to_16_kilobytes(
    world: World, length: int, code: str
) -> None:
    """A deployment's event and return value both hold the escrow: every byte counts twice."""
    envelope = finished(world, deployment(an_escrow(description=b"x" * length)))

    assert code_of(applied(world, envelope)) == code


def test_simulation_ignores_the_limits(world: World) -> None:
    done = simulated(world, deployment(an_escrow(description=b"x" * 40_000)))

    assert done.error is None


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("instructions", fees.INSTRUCTIONS_MAX),
        ("disk_read_bytes", fees.DISK_BYTES_MAX),
        ("write_bytes", fees.WRITTEN_BYTES_MAX),
    ],
)
def test_nobody_may_declare_more_than_the_network_allows(
    world: World, name: str, most: int
) -> None:
    def declare(number: int) -> Callable[[xdr.SorobanTransactionData], None]:
        def change(data: xdr.SorobanTransactionData) -> None:
            setattr(data.resources, name, xdr.Uint32(number))
            data.resource_fee = xdr.Int64(10_000_000)

        return change

    assert not is_invalid(world, finished(world, deployment(), declare(most)))
    assert is_invalid(world, finished(world, deployment(), declare(most + 1)))


def test_a_transaction_declares_50_written_entries_at_most(world: World) -> None:
    def declare(number: int) -> Callable[[xdr.SorobanTransactionData], None]:
        def change(data: xdr.SorobanTransactionData) -> None:
            codes = [keys.parse(keys.code(bytes([n]) * 32)) for n in range(number)]
            data.resources.footprint.read_write = codes
            data.resource_fee = xdr.Int64(10_000_000)

        return change

    assert not is_invalid(world, finished(world, deployment(), declare(50)))
    assert is_invalid(world, finished(world, deployment(), declare(51)))


def test_a_transaction_is_129_kilobytes_at_most(world: World) -> None:
    def enough(data: xdr.SorobanTransactionData) -> None:
        data.resource_fee = xdr.Int64(50_000_000)

    short, long = (an_escrow(description=b"x" * length) for length in (60_000, 65_000))

    assert not is_invalid(world, finished(world, deployment(short), enough))
    assert is_invalid(world, finished(world, deployment(long), enough))


def test_resource_fee_below_the_declared_resources_is_invalid(world: World) -> None:
    def offer(difference: int) -> Callable[[xdr.SorobanTransactionData], None]:
        def change(data: xdr.SorobanTransactionData) -> None:
            data.resource_fee = xdr.Int64(fixed + difference)

        return change

    fixed = fees.non_refundable(
        fees.of_envelope(
            parse(finished(world, deployment()).to_xdr(), network_id=IDENTITY.network_id)
        )
    )

    assert not is_invalid(world, finished(world, deployment(), offer(0)))
    assert is_invalid(world, finished(world, deployment(), offer(-1)))


def test_a_contract_call_has_no_memo(world: World) -> None:
    """stellar-core, `validateSorobanMemo`."""
    draft = deployment()
    draft.transaction.memo = TextMemo("order 7")

    assert is_invalid(world, finished(world, draft))


def test_a_fee_bump_does_not_count_as_size(world: World) -> None:
    """stellar-core, FeeBumpTransactionFrame.cpp: the inner transaction's own size is charged."""
    inner = finished(world, deployment())
    payer = Keypair.from_raw_ed25519_seed(b"buyer".ljust(32, b"."))
    bump = TransactionBuilder.build_fee_bump_transaction(payer, 200, inner, IDENTITY.passphrase)
    bump.sign(payer)

    outcome = applied(world, bump)

    plain = parse(inner.to_xdr(), network_id=IDENTITY.network_id)
    assert outcome.envelope.inner_bytes == plain.inner_bytes
    assert present(outcome.bill).non_refundable == fees.non_refundable(fees.of_envelope(plain))
    assert outcome.successful
    assert present(read_account(world.view, address("buyer"))).balance < 10**10
