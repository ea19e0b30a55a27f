"""Whether money may be paid to an address outside, and if not, why. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from services.escrow.contracts.evidence import AddressKind, Recipient, RecipientView
from services.escrow.contracts.intents import Memo


class Flaw(StrEnum):
    """Why nothing may be paid to an address."""

    MALFORMED = "MALFORMED"
    CONTRACT = "CONTRACT"
    MUXED_WITH_MEMO = "MUXED_WITH_MEMO"
    OWN_ADDRESS = "OWN_ADDRESS"
    OUR_WALLET = "OUR_WALLET"
    OUR_PLATFORM = "OUR_PLATFORM"
    ASSET_ISSUER = "ASSET_ISSUER"
    ACCOUNT_MISSING = "ACCOUNT_MISSING"
    NO_TRUSTLINE = "NO_TRUSTLINE"
    TRUSTLINE_NOT_AUTHORIZED = "TRUSTLINE_NOT_AUTHORIZED"
    TRUSTLINE_FULL = "TRUSTLINE_FULL"
    MEMO_REQUIRED = "MEMO_REQUIRED"

    @property
    def message(self) -> str:
        """Return the flaw as a sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Flaw.MALFORMED: "The destination is not an address of Stellar",
    Flaw.CONTRACT: "The destination is a contract; only accounts can be paid",
    Flaw.MUXED_WITH_MEMO: "A muxed address (M…) names the recipient; send it without a memo",
    Flaw.OWN_ADDRESS: "The destination is the user's own wallet",
    Flaw.OUR_WALLET: "The destination is a user's wallet; money between users moves in orders only",
    Flaw.OUR_PLATFORM: "The destination is an account of the platform",
    Flaw.ASSET_ISSUER: "The destination is the asset's issuer; the payment would destroy the money",
    Flaw.ACCOUNT_MISSING: "The destination does not exist on the network",
    Flaw.NO_TRUSTLINE: "The destination does not trust the asset, so it cannot hold it",
    Flaw.TRUSTLINE_NOT_AUTHORIZED: "The asset's issuer does not let the destination receive it",
    Flaw.TRUSTLINE_FULL: "The amount exceeds what the destination can still hold",
    Flaw.MEMO_REQUIRED: "The destination demands a memo",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """Addresses of ours that a payment out must not reach. wallet: the payer's own.

    is_wallet, is_platform: whether the account to be paid is a wallet of ours, or the platform's.
    """

    wallet: str
    issuer: str
    is_wallet: bool
    is_platform: bool


def flaw_of_address(recipient: Recipient, *, memo: Memo | None, ours: Ours) -> Flaw | None:
    """Return an address's flaw that can be seen without the network, or None."""
    found = {
        Flaw.MALFORMED: recipient.kind is AddressKind.UNKNOWN,
        Flaw.CONTRACT: recipient.kind is AddressKind.CONTRACT,
        Flaw.MUXED_WITH_MEMO: recipient.kind is AddressKind.MUXED and memo is not None,
        Flaw.OWN_ADDRESS: recipient.account == ours.wallet,
        Flaw.OUR_WALLET: ours.is_wallet,
        Flaw.OUR_PLATFORM: ours.is_platform,
        Flaw.ASSET_ISSUER: recipient.account == ours.issuer,
    }
    return next((flaw for flaw, is_so in found.items() if is_so), None)


def flaw_of_account(
    recipient: Recipient, view: RecipientView | None, *, memo: Memo | None, amount: int
) -> Flaw | None:
    """Return why the network would refuse a payment to an account; None: it would not.

    A muxed address identifies the recipient itself, so it needs no memo. Source: SEP-29.
    """
    if view is None:
        return Flaw.ACCOUNT_MISSING
    if view.trustline is None:
        return Flaw.NO_TRUSTLINE
    if not view.trustline.is_authorized:
        return Flaw.TRUSTLINE_NOT_AUTHORIZED
    if view.trustline.room < amount:
        return Flaw.TRUSTLINE_FULL
    has_recipient = memo is not None or recipient.kind is AddressKind.MUXED
    return Flaw.MEMO_REQUIRED if view.wants_memo and not has_recipient else None
