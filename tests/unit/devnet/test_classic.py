"""Invalid classic operations: each is refused with the network's own code."""

from collections.abc import Sequence

import pytest
from stellar_sdk import (
    Asset,
    BeginSponsoringFutureReserves,
    BumpSequence,
    ChangeTrust,
    CreateAccount,
    EndSponsoringFutureReserves,
    Keypair,
    LiquidityPoolAsset,
    Operation,
    Payment,
    xdr,
)

from devnet.chain.assets import NATIVE
from devnet.chain.classic import apply_operation
from devnet.chain.context import OperationContext
from devnet.chain.entries import Account, write_account
from devnet.chain.holdings import LineFullError, credit
from devnet.chain.reserves import Sponsorships
from devnet.chain.results import OperationFailedError
from tests.unit.devnet.world import IDENTITY, LIFETIMES, World, address

USDC = Asset("USDC", IDENTITY.usdc.issuer)
UNKNOWN = Asset("USDC", Keypair.from_raw_ed25519_seed(b"?" * 32).public_key)
BUYER, SELLER, STRANGER = address("buyer"), address("seller"), address("stranger")
NEW = address("new")


def refused(operations: Sequence[Operation | xdr.Operation], source: str = BUYER) -> str:
    """Apply operations one after the other; return the code of the last."""
    context = OperationContext(
        view=World().view,
        passphrase=IDENTITY.passphrase,
        lifetimes=LIFETIMES,
        memo=xdr.Memo(xdr.MemoType.MEMO_NONE),
        sponsorships=Sponsorships(),
    )
    result = None
    for operation in operations:
        raw = operation.to_xdr_object() if isinstance(operation, Operation) else operation
        actor = operation.source.account_id if _has_source(operation) else source  # type: ignore[union-attr]  # checked
        try:
            result = apply_operation(raw, source=actor, context=context)
        except OperationFailedError as error:
            result = error.result
    assert result is not None
    return _code(result)


def _has_source(operation: Operation | xdr.Operation) -> bool:
    return isinstance(operation, Operation) and operation.source is not None


def _code(result: xdr.OperationResult) -> str:
    if result.tr is None:
        return result.code.name
    inner = (
        result.tr.payment_result
        or result.tr.create_account_result
        or result.tr.change_trust_result
        or result.tr.begin_sponsoring_future_reserves_result
        or result.tr.end_sponsoring_future_reserves_result
    )
    assert inner is not None
    return inner.code.name


def payment(amount: int) -> xdr.Operation:
    raw = Payment(SELLER, USDC, "1").to_xdr_object()
    assert raw.body.payment_op is not None
    raw.body.payment_op.amount = xdr.Int64(amount)
    return raw


def trust(limit: int, asset: Asset = USDC) -> xdr.Operation:
    raw = ChangeTrust(asset).to_xdr_object()
    assert raw.body.change_trust_op is not None
    raw.body.change_trust_op.limit = xdr.Int64(limit)
    return raw


def native_trust() -> xdr.Operation:
    raw = ChangeTrust(USDC).to_xdr_object()
    assert raw.body.change_trust_op is not None
    raw.body.change_trust_op.line = xdr.ChangeTrustAsset(xdr.AssetType.ASSET_TYPE_NATIVE)
    return raw


def create(amount: int) -> xdr.Operation:
    raw = CreateAccount(NEW, "1").to_xdr_object()
    assert raw.body.create_account_op is not None
    raw.body.create_account_op.starting_balance = xdr.Int64(amount)
    return raw


def begin(sponsored: str, source: str | None = None) -> Operation:
    return BeginSponsoringFutureReserves(sponsored, source=source)


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([BumpSequence(5)], "opNOT_SUPPORTED"),
        ([ChangeTrust(LiquidityPoolAsset(Asset.native(), USDC))], "opNOT_SUPPORTED"),
        ([payment(0)], "PAYMENT_MALFORMED"),
        ([payment(-1)], "PAYMENT_MALFORMED"),
        ([create(-1)], "CREATE_ACCOUNT_MALFORMED"),
        ([CreateAccount(BUYER, "1")], "CREATE_ACCOUNT_MALFORMED"),
        ([CreateAccount(SELLER, "1")], "CREATE_ACCOUNT_ALREADY_EXIST"),
        ([CreateAccount(NEW, "1000")], "CREATE_ACCOUNT_UNDERFUNDED"),
        ([create(9_999_999)], "CREATE_ACCOUNT_LOW_RESERVE"),
        ([Payment(NEW, Asset.native(), "1")], "PAYMENT_NO_DESTINATION"),
        ([Payment(SELLER, Asset.native(), "999")], "PAYMENT_UNDERFUNDED"),
        ([Payment(SELLER, Asset.native(), "900")], "PAYMENT_SUCCESS"),
        ([native_trust()], "CHANGE_TRUST_MALFORMED"),
        ([trust(-1)], "CHANGE_TRUST_MALFORMED"),
        ([trust(0, Asset("EURC", IDENTITY.other_asset.issuer))], "CHANGE_TRUST_INVALID_LIMIT"),
        ([trust(1)], "CHANGE_TRUST_INVALID_LIMIT"),
        ([ChangeTrust(UNKNOWN)], "CHANGE_TRUST_NO_ISSUER"),
        ([begin(BUYER)], "BEGIN_SPONSORING_FUTURE_RESERVES_MALFORMED"),
        ([begin(NEW), begin(NEW)], "BEGIN_SPONSORING_FUTURE_RESERVES_ALREADY_SPONSORED"),
        (
            [begin(BUYER, source=SELLER), begin(NEW)],
            "BEGIN_SPONSORING_FUTURE_RESERVES_RECURSIVE",
        ),
        (
            [begin(NEW), begin(BUYER, source=SELLER)],
            "BEGIN_SPONSORING_FUTURE_RESERVES_RECURSIVE",
        ),
        (
            [EndSponsoringFutureReserves()],
            "END_SPONSORING_FUTURE_RESERVES_NOT_SPONSORED",
        ),
    ],
)
def test_a_malformed_operation_is_refused(
    operations: Sequence[Operation | xdr.Operation], code: str
) -> None:
    assert refused(operations) == code


def test_an_account_that_does_not_exist_can_do_nothing() -> None:
    assert refused([Payment(SELLER, USDC, "1")], source=NEW) == "opNO_ACCOUNT"


def test_an_issuer_does_not_trust_itself() -> None:
    issuer = IDENTITY.usdc.issuer or ""

    assert refused([ChangeTrust(USDC)], source=issuer) == "CHANGE_TRUST_MALFORMED"


def test_an_issuer_can_pay_without_a_balance() -> None:
    issuer = IDENTITY.usdc.issuer or ""

    assert refused([Payment(SELLER, USDC, "1")], source=issuer) == "PAYMENT_SUCCESS"


def test_a_sponsor_needs_the_reserve_it_pays() -> None:
    poor = [
        CreateAccount(NEW, "1.5"),
        begin(address("newer"), source=NEW),
        CreateAccount(address("newer"), "0", source=NEW),
    ]

    assert refused(poor, source=STRANGER) == "CREATE_ACCOUNT_LOW_RESERVE"


def test_a_trustline_needs_a_reserve() -> None:
    operations = [CreateAccount(NEW, "1.4"), ChangeTrust(USDC, source=NEW)]

    assert refused(operations) == "CHANGE_TRUST_LOW_RESERVE"


def test_an_unsponsored_trustline_closes_too() -> None:
    other = Asset("EURC", IDENTITY.other_asset.issuer)

    assert refused([ChangeTrust(other), trust(0, other)]) == "CHANGE_TRUST_SUCCESS"


def test_an_account_holds_no_more_than_its_type() -> None:
    view = World().view
    write_account(view, Account(address=NEW, balance=2**63 - 1, sequence=0))

    with pytest.raises(LineFullError):
        credit(view, address=NEW, asset=NATIVE, amount=1)


def test_a_limit_can_be_lowered_to_the_balance() -> None:
    assert refused([trust(1_000 * 10**7)]) == "CHANGE_TRUST_SUCCESS"
    assert refused([trust(1_000 * 10**7 - 1)]) == "CHANGE_TRUST_INVALID_LIMIT"
