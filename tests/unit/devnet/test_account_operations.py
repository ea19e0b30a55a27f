"""Operations on an account, and an issuer's operations on its holders' trustlines.

Sources: stellar-core, MergeOpFrame.cpp, ManageDataOpFrame.cpp, SetOptionsOpFrame.cpp,
SetTrustLineFlagsOpFrame.cpp, ClawbackOpFrame.cpp, PathPaymentOpFrameBase.cpp; CAP-35, CAP-67.
"""

from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import (
    AccountMerge,
    Asset,
    AuthorizationFlag,
    BeginSponsoringFutureReserves,
    ChangeTrust,
    Clawback,
    CreateAccount,
    EndSponsoringFutureReserves,
    ManageData,
    MuxedAccount,
    Operation,
    Payment,
    SetOptions,
    SetTrustLineFlags,
    Signer,
    TrustLineFlags,
    scval,
    xdr,
)

from devnet.chain import keys, rules
from devnet.chain.addresses import present
from devnet.chain.classic import apply_operation
from devnet.chain.context import OperationContext
from devnet.chain.entries import (
    Account,
    read_account,
    read_trustline,
    write_account,
    write_trustline,
)
from devnet.chain.reserves import Sponsorships
from devnet.chain.results import OperationFailedError
from tests.unit.devnet.world import IDENTITY, LIFETIMES, UNIT, World, address, refusal

USDC = Asset("USDC", IDENTITY.usdc.issuer)
ISSUER = present(IDENTITY.usdc.issuer)
BUYER, SELLER, NEW = address("buyer"), address("seller"), address("new")
AUTHORIZED = TrustLineFlags.AUTHORIZED_FLAG
MAINTAINS = TrustLineFlags.AUTHORIZED_TO_MAINTAIN_LIABILITIES_FLAG


class Bench:
    """A ledger in memory on which operations are applied one by one."""

    def __init__(self) -> None:
        self.world = World()
        self.context = OperationContext(
            view=self.world.view,
            passphrase=IDENTITY.passphrase,
            lifetimes=LIFETIMES,
            memo=xdr.Memo(xdr.MemoType.MEMO_NONE),
            sponsorships=Sponsorships(),
        )

    def apply(self, *operations: Operation | xdr.Operation, source: str = BUYER) -> str:
        """Apply operations and return the code of the last."""
        result = None
        for operation in operations:
            raw = operation if isinstance(operation, xdr.Operation) else operation.to_xdr_object()
            actor = source
            if isinstance(operation, Operation) and operation.source is not None:
                actor = operation.source.account_id
            try:
                result = apply_operation(raw, source=actor, context=self.context)
            except OperationFailedError as error:
                result = error.result
        tr = present(present(result).tr)
        inner = [value for name, value in vars(tr).items() if name != "type" and value is not None]
        code: str = inner[0].code.name
        return code

    def flags(self, holder: str, *, set_flags: Any = None, clear_flags: Any = None) -> str:
        operation = SetTrustLineFlags(holder, USDC, clear_flags, set_flags)
        return self.apply(operation, source=ISSUER)

    def issuer_flags(self, flags: int) -> None:
        issuer = present(read_account(self.world.view, ISSUER))
        write_account(self.world.view, replace(issuer, flags=flags))

    def account(self, who: str) -> Account:
        return present(read_account(self.world.view, who))

    @property
    def topics(self) -> list[list[Any]]:
        """The events' topics and data, newest last."""
        bodies = [present(event.body.v0) for event in self.context.events]
        return [[*map(scval.to_native, body.topics), scval.to_native(body.data)] for body in bodies]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_frozen_holder_neither_pays_nor_receives(bench: Bench) -> None:
    """The destination is checked before the source, and its authorisation before its limit."""
    pay = Payment(SELLER, USDC, "1")
    assert bench.flags(SELLER, clear_flags=AUTHORIZED) == "SET_TRUST_LINE_FLAGS_SUCCESS"
    assert bench.apply(pay) == "PAYMENT_NOT_AUTHORIZED"
    assert bench.flags(BUYER, clear_flags=AUTHORIZED) == "SET_TRUST_LINE_FLAGS_SUCCESS"
    assert bench.apply(pay) == "PAYMENT_NOT_AUTHORIZED"
    assert bench.flags(SELLER, set_flags=AUTHORIZED) == "SET_TRUST_LINE_FLAGS_SUCCESS"
    assert bench.apply(pay) == "PAYMENT_SRC_NOT_AUTHORIZED"
    assert bench.flags(BUYER, set_flags=AUTHORIZED) == "SET_TRUST_LINE_FLAGS_SUCCESS"
    assert bench.apply(pay) == "PAYMENT_SUCCESS"


def test_new_limit_does_not_unfreeze_a_trustline(bench: Bench) -> None:
    bench.flags(BUYER, clear_flags=AUTHORIZED)

    assert bench.apply(ChangeTrust(USDC, limit="5000")) == "CHANGE_TRUST_SUCCESS"

    assert not present(read_trustline(bench.world.view, BUYER, IDENTITY.usdc)).authorized


def test_authorisation_change_by_the_issuer_is_an_event(bench: Bench) -> None:
    bench.flags(BUYER, clear_flags=AUTHORIZED)

    (event,) = bench.topics
    assert event[0] == "set_authorized"
    assert event[1].address == BUYER
    assert event[2:] == [f"USDC:{ISSUER}", False]


@pytest.mark.parametrize(
    ("holder", "set_flags", "clear_flags", "code"),
    [
        (ISSUER, AUTHORIZED, None, "MALFORMED"),
        (BUYER, AUTHORIZED, AUTHORIZED, "MALFORMED"),
        (BUYER, TrustLineFlags.TRUSTLINE_CLAWBACK_ENABLED_FLAG, None, "MALFORMED"),
        (BUYER, AUTHORIZED | MAINTAINS, None, "MALFORMED"),
        (BUYER, MAINTAINS, None, "INVALID_STATE"),
        (BUYER, MAINTAINS, AUTHORIZED, "SUCCESS"),
        (NEW, AUTHORIZED, None, "NO_TRUST_LINE"),
    ],
)
def test_issuer_may_set_only_valid_flags(
    bench: Bench, holder: str, set_flags: Any, clear_flags: Any, code: str
) -> None:
    done = bench.flags(holder, set_flags=set_flags, clear_flags=clear_flags)

    assert done == f"SET_TRUST_LINE_FLAGS_{code}"


def test_only_an_issuer_that_may_revoke_freezes(bench: Bench) -> None:
    bench.issuer_flags(0)

    assert bench.flags(BUYER, clear_flags=AUTHORIZED) == "SET_TRUST_LINE_FLAGS_CANT_REVOKE"


def test_only_the_issuer_sets_trustline_flags(bench: Bench) -> None:
    operation = SetTrustLineFlags(SELLER, USDC, None, AUTHORIZED)

    assert bench.apply(operation) == "SET_TRUST_LINE_FLAGS_MALFORMED"


def test_new_trustline_takes_the_issuers_flags(bench: Bench) -> None:
    """CAP-35: clawback is enabled for lines that are opened after the issuer allowed it."""
    bench.issuer_flags(rules.AUTH_REQUIRED | rules.AUTH_REVOCABLE | rules.AUTH_CLAWBACK_ENABLED)
    assert bench.apply(CreateAccount(NEW, "10"), ChangeTrust(USDC, source=NEW)).endswith("SUCCESS")

    line = present(read_trustline(bench.world.view, NEW, IDENTITY.usdc))

    assert (line.authorized, line.clawback) == (False, True)


@pytest.mark.parametrize(
    ("amount", "holder", "code"),
    [
        ("1000", "buyer", "SUCCESS"),
        ("1000.0000001", "buyer", "UNDERFUNDED"),
        ("1", "seller", "NOT_CLAWBACK_ENABLED"),
        ("1", "new", "NO_TRUST"),
    ],
)
def test_clawback_takes_the_amount_or_is_refused(
    bench: Bench, amount: str, holder: str, code: str
) -> None:
    view = bench.world.view
    line = present(read_trustline(view, BUYER, IDENTITY.usdc))
    write_trustline(view, replace(line, clawback=True))

    done = bench.apply(Clawback(USDC, address(holder), amount), source=ISSUER)

    assert done == f"CLAWBACK_{code}"
    if code == "SUCCESS":
        assert bench.world.usdc("buyer") == 0
        assert bench.topics[0][0] == "clawback"
        assert bench.topics[0][3] == 1000 * UNIT


def test_only_the_issuer_claws_back(bench: Bench) -> None:
    assert bench.apply(Clawback(USDC, SELLER, "1")) == "CLAWBACK_MALFORMED"


def test_an_account_is_merged_into_another(bench: Bench) -> None:
    view = bench.world.view
    assert bench.apply(CreateAccount(NEW, "10")) == "CREATE_ACCOUNT_SUCCESS"
    before = bench.account(SELLER).balance
    view.sequence += 1

    done = bench.apply(AccountMerge(MuxedAccount(SELLER, 7)), source=NEW)

    assert done == "ACCOUNT_MERGE_SUCCESS"
    assert read_account(view, NEW) is None
    assert bench.account(SELLER).balance == before + 10 * UNIT
    assert bench.topics[-1][0] == "transfer"


def test_a_merge_gives_the_sponsors_reserve_back(bench: Bench) -> None:
    done = bench.apply(
        BeginSponsoringFutureReserves(NEW),
        CreateAccount(NEW, "0"),
        EndSponsoringFutureReserves(source=NEW),
    )
    assert done.endswith("SUCCESS")
    assert bench.account(BUYER).sponsoring == 2
    bench.world.view.sequence += 1

    assert bench.apply(AccountMerge(BUYER), source=NEW) == "ACCOUNT_MERGE_SUCCESS"

    assert bench.account(BUYER).sponsoring == 0


@pytest.mark.parametrize(
    ("target", "changes", "code"),
    [
        (NEW, {}, "MALFORMED"),
        (address("nobody"), {}, "NO_ACCOUNT"),
        (SELLER, {"flags": rules.AUTH_IMMUTABLE}, "IMMUTABLE_SET"),
        (SELLER, {"sub_entries": 1}, "HAS_SUB_ENTRIES"),
        (SELLER, {"sequence": 2 << 32}, "SEQNUM_TOO_FAR"),
        (SELLER, {"sponsoring": 1}, "IS_SPONSOR"),
        (SELLER, {"balance": rules.INT64_MAX}, "DEST_FULL"),
    ],
)
def test_a_merge_is_refused(bench: Bench, target: str, changes: dict[str, Any], code: str) -> None:
    account = Account(address=NEW, balance=10**9, sequence=1)
    write_account(bench.world.view, replace(account, **changes))

    assert bench.apply(AccountMerge(target), source=NEW) == f"ACCOUNT_MERGE_{code}"


def test_named_values_are_kept_changed_and_removed(bench: Bench) -> None:
    key = keys.data(BUYER, b"colour")

    assert bench.apply(ManageData("colour", "red")) == "MANAGE_DATA_SUCCESS"
    assert bench.account(BUYER).sub_entries == 2
    assert bench.apply(ManageData("colour", "blue")) == "MANAGE_DATA_SUCCESS"
    entry = xdr.LedgerEntryData.from_xdr_bytes(present(bench.world.view.get(key)).data)
    assert present(entry.data).data_value.data_value == b"blue"
    assert bench.apply(ManageData("colour", None)) == "MANAGE_DATA_SUCCESS"
    assert bench.world.view.get(key) is None
    assert bench.account(BUYER).sub_entries == 1
    assert bench.apply(ManageData("colour", None)) == "MANAGE_DATA_NAME_NOT_FOUND"


def test_a_named_value_needs_a_name_and_a_reserve(bench: Bench) -> None:
    raw = ManageData("x", "y").to_xdr_object()
    present(raw.body.manage_data_op).data_name = xdr.String64(b"\x01")
    assert bench.apply(raw) == "MANAGE_DATA_INVALID_NAME"
    poor = Account(address=NEW, balance=2 * rules.BASE_RESERVE, sequence=0)
    write_account(bench.world.view, poor)

    assert bench.apply(ManageData("x", "y"), source=NEW) == "MANAGE_DATA_LOW_RESERVE"


def test_options_are_set(bench: Bench) -> None:
    options = SetOptions(
        set_flags=AuthorizationFlag(rules.AUTH_REVOCABLE | rules.AUTH_CLAWBACK_ENABLED),
        home_domain="example.com",
        med_threshold=2,
        high_threshold=3,
        signer=Signer.ed25519_public_key(SELLER, 2),
    )

    assert bench.apply(options) == "SET_OPTIONS_SUCCESS"

    account = bench.account(BUYER)
    assert account.flags == rules.AUTH_REVOCABLE | rules.AUTH_CLAWBACK_ENABLED
    assert account.home_domain == b"example.com"
    assert account.thresholds == bytes([1, 0, 2, 3])
    assert account.signers == ((SELLER, 2),)
    assert account.sub_entries == 2
    removed = SetOptions(signer=Signer.ed25519_public_key(SELLER, 0))
    assert bench.apply(removed) == "SET_OPTIONS_SUCCESS"
    assert bench.account(BUYER).signers == ()
    assert bench.account(BUYER).sub_entries == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"set_flags": AuthorizationFlag(1), "clear_flags": AuthorizationFlag(1)}, "BAD_FLAGS"),
        ({"set_flags": AuthorizationFlag(16)}, "UNKNOWN_FLAG"),
        ({"set_flags": AuthorizationFlag(8)}, "AUTH_REVOCABLE_REQUIRED"),
        ({"low_threshold": 256}, "THRESHOLD_OUT_OF_RANGE"),
        ({"signer": Signer.ed25519_public_key(BUYER, 1)}, "BAD_SIGNER"),
        ({"signer": Signer.sha256_hash(b"x" * 32, 1)}, "BAD_SIGNER"),
        ({"signer": Signer.ed25519_public_key(SELLER, 256)}, "BAD_SIGNER"),
    ],
)
def test_options_are_refused(bench: Bench, options: dict[str, Any], code: str) -> None:
    assert bench.apply(SetOptions(**options)) == f"SET_OPTIONS_{code}"


def test_an_immutable_account_keeps_its_flags(bench: Bench) -> None:
    assert (
        bench.apply(SetOptions(set_flags=AuthorizationFlag(rules.AUTH_IMMUTABLE)))
        == "SET_OPTIONS_SUCCESS"
    )

    done = bench.apply(SetOptions(set_flags=AuthorizationFlag(rules.AUTH_REVOCABLE)))

    assert done == "SET_OPTIONS_CANT_CHANGE"


def test_the_asset_contract_freezes_accounts_and_contracts() -> None:
    """soroban-env-host, stellar_asset_contract: only the issuer, and only if it may revoke."""
    world = World()
    contract = world.approved()
    freeze = [scval.to_address(contract), scval.to_bool(False)]
    seller = [scval.to_address(SELLER), scval.to_bool(False)]
    token = IDENTITY.usdc_contract

    done = world.call(token, "set_authorized", freeze)

    assert done.error is None
    assert world.release(contract).error == refusal(11)
    assert world.call(token, "set_authorized", [freeze[0], scval.to_bool(True)]).error is None
    assert world.call(token, "set_authorized", seller).error is None
    assert world.release(contract).error == refusal(11)
    issuer = [scval.to_address(ISSUER), scval.to_bool(False)]
    assert world.call(token, "set_authorized", issuer).error == refusal(2)
    account = present(read_account(world.view, ISSUER))
    write_account(world.view, replace(account, flags=0))
    assert world.call(token, "set_authorized", freeze).error == refusal(2)
