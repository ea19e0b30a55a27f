"""Where a user's money may be paid to: every trick of an address, and what refuses it."""

import pytest
from stellar_sdk import MuxedAccount, StrKey

from kernel.money import UNIT
from services.escrow.contracts.destinations import Flaw, Ours, flaw_of_account, flaw_of_address
from services.escrow.contracts.evidence import (
    AddressKind,
    Recipient,
    RecipientView,
    TrustlineView,
)
from services.escrow.contracts.intents import Memo, MemoType
from services.escrow.stellar.addresses import recipient
from tests.unit.escrow.stellar_envelopes import address_of, contract_of, key_of

OUTSIDE, WALLET, ISSUER = address_of("outside"), address_of("wallet"), address_of("issuer")


def muxed(account: str) -> str:
    """Return an address of somebody behind an account."""
    found = MuxedAccount(account, 7).account_muxed
    assert found is not None
    return found


MUXED = muxed(OUTSIDE)
MEMO = Memo(type=MemoType.TEXT, value="account 7")
OPEN = RecipientView(trustline=TrustlineView(is_authorized=True, room=100 * UNIT), wants_memo=False)


def ours(*, is_wallet: bool = False, is_platform: bool = False) -> Ours:
    """Return what is ours of an address."""
    return Ours(wallet=WALLET, issuer=ISSUER, is_wallet=is_wallet, is_platform=is_platform)


def test_addresses_are_parsed_by_their_kind() -> None:
    assert recipient(OUTSIDE) == Recipient(kind=AddressKind.ACCOUNT, account=OUTSIDE)
    assert recipient(MUXED) == Recipient(kind=AddressKind.MUXED, account=OUTSIDE)
    assert recipient(contract_of("escrow")).kind is AddressKind.CONTRACT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        OUTSIDE[:-1],
        OUTSIDE[:-1] + ("A" if OUTSIDE[-1] != "A" else "B"),
        OUTSIDE.lower(),
        f" {OUTSIDE}",
        key_of("outside").secret,
        StrKey.encode_pre_auth_tx(b"\x07" * 32),
        MUXED[:-1],
    ],
)
def test_text_that_is_no_address_is_unknown(text: str) -> None:
    assert recipient(text) == Recipient(kind=AddressKind.UNKNOWN)


@pytest.mark.parametrize(
    ("address", "memo", "mine", "flaw"),
    [
        (OUTSIDE, None, ours(), None),
        (OUTSIDE, MEMO, ours(), None),
        (MUXED, None, ours(), None),
        (MUXED, MEMO, ours(), Flaw.MUXED_WITH_MEMO),
        ("alice", None, ours(), Flaw.MALFORMED),
        (contract_of("escrow"), None, ours(), Flaw.CONTRACT),
        (WALLET, None, ours(is_wallet=True), Flaw.OWN_ADDRESS),
        (muxed(WALLET), None, ours(is_wallet=True), Flaw.OWN_ADDRESS),
        (OUTSIDE, None, ours(is_wallet=True), Flaw.OUR_WALLET),
        (MUXED, None, ours(is_wallet=True), Flaw.OUR_WALLET),
        (OUTSIDE, None, ours(is_platform=True), Flaw.OUR_PLATFORM),
        (ISSUER, None, ours(), Flaw.ASSET_ISSUER),
    ],
)
def test_own_or_unpayable_address_is_refused(
    address: str, memo: Memo | None, mine: Ours, flaw: Flaw | None
) -> None:
    assert flaw_of_address(recipient(address), memo=memo, ours=mine) is flaw


@pytest.mark.parametrize(
    ("view", "flaw"),
    [
        (OPEN, None),
        (None, Flaw.ACCOUNT_MISSING),
        (RecipientView(trustline=None, wants_memo=False), Flaw.NO_TRUSTLINE),
        (
            RecipientView(
                trustline=TrustlineView(is_authorized=False, room=100 * UNIT), wants_memo=False
            ),
            Flaw.TRUSTLINE_NOT_AUTHORIZED,
        ),
        (
            RecipientView(
                trustline=TrustlineView(is_authorized=True, room=UNIT - 1), wants_memo=False
            ),
            Flaw.TRUSTLINE_FULL,
        ),
        (
            RecipientView(trustline=TrustlineView(is_authorized=True, room=UNIT), wants_memo=False),
            None,
        ),
    ],
)
def test_an_account_that_cannot_receive_the_amount_is_refused(
    view: RecipientView | None, flaw: Flaw | None
) -> None:
    assert flaw_of_account(recipient(OUTSIDE), view, memo=None, amount=UNIT) is flaw


@pytest.mark.parametrize(
    ("address", "memo", "flaw"),
    [(OUTSIDE, None, Flaw.MEMO_REQUIRED), (OUTSIDE, MEMO, None), (MUXED, None, None)],
)
def test_account_that_requires_a_memo_is_not_paid_without_one(
    address: str, memo: Memo | None, flaw: Flaw | None
) -> None:
    view = RecipientView(trustline=OPEN.trustline, wants_memo=True)

    assert flaw_of_account(recipient(address), view, memo=memo, amount=UNIT) is flaw


def test_every_flaw_has_a_message() -> None:
    assert all(flaw.message for flaw in Flaw)
