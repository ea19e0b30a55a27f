"""What a contract says of an order: every legal order has words that every builder may send."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import xdr

from services.escrow.contracts import contract
from services.escrow.contracts.wording import Wording, as_given, on_chain
from services.escrow.domain import Terms
from services.escrow.stellar.contract import Contracts
from tests.unit.escrow.stellar_envelopes import (
    ASSET_CONTRACT,
    BUYER,
    FACTORY,
    OPTIONS,
    PLATFORM,
    SELLER,
    WASM_HASH,
)
from tests.unit.escrow.test_domain import escrow

# A deployment's event and value together, and what is in them besides the escrow.
CALL_BYTES_MAX, AROUND_BYTES = 16_384, 256
# The database takes no NUL, UTF-8 no half of a surrogate pair; all else is legal.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TERMS = st.builds(
    Terms,
    amount=st.just(100_000),
    title=st.text(CHARACTERS, min_size=1, max_size=255),
    description=st.one_of(st.just(""), st.text(CHARACTERS, max_size=4096)),
    milestones=st.lists(st.text(CHARACTERS, min_size=1, max_size=255), min_size=1, max_size=50).map(
        tuple
    ),
    platform_fee_bps=st.just(0),
)
WIDEST = Terms(
    amount=100_000,
    title="\U0001f600" * 255,
    description="\U0001f600" * 4096,
    milestones=("\U0001f600" * 255,) * 50,
    platform_fee_bps=0,
)


def bytes_of_escrow(terms: Terms) -> int:
    """Return the size of the stored escrow that a deployment of such terms makes."""
    meant = escrow(terms=terms, wasm_hash=WASM_HASH)
    parties = contract.Parties(buyer=BUYER, seller=SELLER, platform=PLATFORM, provider=PLATFORM)
    intent = contract.deployment(meant, parties=parties, factory=FACTORY)
    call = Contracts(options=OPTIONS, asset_contract=ASSET_CONTRACT).of(WASM_HASH).call(intent)
    [stored] = call.args[4].vec.sc_vec if call.args[4].vec is not None else []
    assert isinstance(stored, xdr.SCVal)
    return len(stored.to_xdr_bytes())


@given(TERMS)
def test_no_text_of_a_contract_is_blank_and_all_together_fit_a_ledger(terms: Terms) -> None:
    said = on_chain(terms)

    assert all(text.strip() for text in (said.title, said.description, *said.milestones))
    assert len(said.milestones) == len(terms.milestones)
    assert 2 * bytes_of_escrow(terms) + AROUND_BYTES <= CALL_BYTES_MAX


def test_the_longest_order_fits_a_ledger() -> None:
    assert 2 * bytes_of_escrow(WIDEST) + AROUND_BYTES <= CALL_BYTES_MAX


def test_the_longest_words_that_are_said_in_full_fit_a_ledger() -> None:
    longest = 0
    for size in range(0, 4097, 8):
        terms = replace(WIDEST, title="t", description="d" * size, milestones=("m" * 100,) * 25)
        if on_chain(terms).description == terms.description:
            longest = max(longest, 2 * bytes_of_escrow(terms) + AROUND_BYTES)

    assert 0.9 * CALL_BYTES_MAX < longest <= CALL_BYTES_MAX


def test_an_order_is_said_in_its_own_words_where_it_has_them() -> None:
    terms = Terms(
        amount=1, title="Logo", description="In blue", milestones=("A", "B"), platform_fee_bps=0
    )

    assert on_chain(terms) == as_given(terms)


def test_a_blank_text_says_what_stands_above_it() -> None:
    terms = Terms(amount=1, title="Logo", description="", milestones=(" \n",), platform_fee_bps=0)

    assert on_chain(terms) == Wording(title="Logo", description="Logo", milestones=("Logo",))
    assert on_chain(replace(terms, title="\t")).title == "Order"


@given(TERMS, TERMS)
def test_words_that_do_not_fit_are_told_apart_by_their_digest(one: Terms, other: Terms) -> None:
    long = "x" * 8000
    first, second = replace(one, description=long), replace(other, description=long)

    assert (on_chain(first) == on_chain(second)) == (as_given(first) == as_given(second))
