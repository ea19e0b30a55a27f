"""Classic operations: accounts, trustlines, payments out. No contract calls.

Every operation names its source, so that any channel account may pay the fee.
"""

from stellar_sdk import (
    AccountMerge,
    Asset,
    BeginSponsoringFutureReserves,
    ChangeTrust,
    CreateAccount,
    EndSponsoringFutureReserves,
    HashMemo,
    IdMemo,
    Payment,
    TextMemo,
    xdr,
)

from kernel.money import to_chain_text
from services.escrow.contracts.intents import (
    CreateChannels,
    CreateWallet,
    Memo,
    MemoType,
    MergeWallet,
    PayOut,
    SponsorChannels,
    SponsorTrust,
    TopUpChannels,
    TrustAsset,
    UseNumber,
)

CHANNELS_MAX = 50
# Each channel signs, and so does the sponsor; a transaction has at most 20 signatures.
SPONSORED_MAX = 19
NO_MEMO = xdr.Memo(xdr.MemoType.MEMO_NONE).to_xdr_bytes()


def create_wallet(intent: CreateWallet, *, asset: Asset) -> list[xdr.Operation]:
    """Create an account that holds no lumens: the sponsor pays all its reserves.

    Source: CAP-33, sponsored reserves.
    """
    account, sponsor = intent.account, intent.sponsor
    return [
        BeginSponsoringFutureReserves(account, source=sponsor).to_xdr_object(),
        CreateAccount(account, "0", source=sponsor).to_xdr_object(),
        ChangeTrust(asset, source=account).to_xdr_object(),
        EndSponsoringFutureReserves(source=account).to_xdr_object(),
    ]


def create_channels(intent: CreateChannels) -> list[xdr.Operation]:
    """Create channel accounts. Raises: ValueError: none, or too many for one transaction."""
    if not 1 <= len(intent.channels) <= CHANNELS_MAX:
        raise ValueError(f"1 to {CHANNELS_MAX} channels fit, not {len(intent.channels)}")
    lumens = to_chain_text(intent.starting_balance)
    return [
        CreateAccount(channel, lumens, source=intent.funder).to_xdr_object()
        for channel in intent.channels
    ]


def sponsor_channels(intent: SponsorChannels) -> list[xdr.Operation]:
    """Create accounts that only give sequence numbers, sponsored as in `create_wallet`.

    Raises: ValueError: none, or more than can sign one transaction.
    """
    if not 1 <= len(intent.channels) <= SPONSORED_MAX:
        raise ValueError(f"1 to {SPONSORED_MAX} channels fit, not {len(intent.channels)}")
    made: list[xdr.Operation] = []
    for channel in intent.channels:
        made += [
            BeginSponsoringFutureReserves(channel, source=intent.sponsor).to_xdr_object(),
            CreateAccount(channel, "0", source=intent.sponsor).to_xdr_object(),
            EndSponsoringFutureReserves(source=channel).to_xdr_object(),
        ]
    return made


def top_up_channels(intent: TopUpChannels) -> list[xdr.Operation]:
    """Pay lumens to channel accounts. Raises: ValueError: none, or too many for one transaction."""
    if not 1 <= len(intent.channels) <= CHANNELS_MAX:
        raise ValueError(f"1 to {CHANNELS_MAX} channels fit, not {len(intent.channels)}")
    lumens, native = to_chain_text(intent.amount), Asset.native()
    return [
        Payment(channel, native, lumens, source=intent.funder).to_xdr_object()
        for channel in intent.channels
    ]


def trust_asset(intent: TrustAsset, *, asset: Asset) -> list[xdr.Operation]:
    """Open a trustline without a limit."""
    return [ChangeTrust(asset, source=intent.account).to_xdr_object()]


def sponsor_trust(intent: SponsorTrust, *, asset: Asset) -> list[xdr.Operation]:
    """Open a trustline without a limit; the sponsor pays its reserve, as in `create_wallet`."""
    account, sponsor = intent.account, intent.sponsor
    return [
        BeginSponsoringFutureReserves(account, source=sponsor).to_xdr_object(),
        ChangeTrust(asset, source=account).to_xdr_object(),
        EndSponsoringFutureReserves(source=account).to_xdr_object(),
    ]


def merge_wallet(intent: MergeWallet, *, asset: Asset) -> list[xdr.Operation]:
    """Close the trustline, which fails while it holds anything, and merge the account.

    Source: stellar-core, ChangeTrustOpFrame.cpp and MergeOpFrame.cpp.
    """
    account = intent.account
    return [
        ChangeTrust(asset, limit="0", source=account).to_xdr_object(),
        AccountMerge(intent.sponsor, source=account).to_xdr_object(),
    ]


def pay_out(intent: PayOut, *, asset: Asset) -> list[xdr.Operation]:
    """Pay an account outside, or a recipient behind it."""
    amount = to_chain_text(intent.amount)
    payment = Payment(intent.to_address, asset, amount, source=intent.from_address)
    return [payment.to_xdr_object()]


def memo_bytes(memo: Memo | None) -> bytes:
    """Return a memo in a transaction's form. Raises: ValueError: no transaction can carry it."""
    if memo is None:
        return NO_MEMO
    if memo.type is MemoType.TEXT:
        return TextMemo(memo.value).to_xdr_object().to_xdr_bytes()
    if memo.type is MemoType.ID:
        return IdMemo(int(memo.value)).to_xdr_object().to_xdr_bytes()
    return HashMemo(memo.value).to_xdr_object().to_xdr_bytes()


def use_number(intent: UseNumber) -> list[xdr.Operation]:
    """Pay oneself the least amount of XLM: this changes nothing and cannot fail."""
    least, account = "0.0000001", intent.account
    return [Payment(account, Asset.native(), least, source=account).to_xdr_object()]
