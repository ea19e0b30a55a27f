"""The texts in a contract: none of the order's words, and within the network's limits."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import xdr

from kernel.ids import to_public
from services.escrow.contracts import contract
from services.escrow.contracts.intents import DeployEscrow
from services.escrow.contracts.wording import (
    AROUND_BYTES,
    TOLD_BYTES_MAX,
    Wording,
    known,
    on_chain,
    told_bytes,
)
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


def deployment(terms: Terms) -> DeployEscrow:
    """Return the deployment of an order with such terms."""
    meant = escrow(terms=terms, wasm_hash=WASM_HASH)
    parties = contract.Parties(buyer=BUYER, seller=SELLER, platform=PLATFORM, provider=PLATFORM)
    return contract.deployment(meant, parties=parties, factory=FACTORY)


def bytes_of_escrow(terms: Terms) -> int:
    """Return the size of the stored escrow that a deployment of such terms makes."""
    contracts = Contracts(options=OPTIONS, asset_contract=ASSET_CONTRACT)
    call = contracts.of(WASM_HASH).call(deployment(terms))
    [stored] = call.args[4].vec.sc_vec if call.args[4].vec is not None else []
    assert isinstance(stored, xdr.SCVal)
    return len(stored.to_xdr_bytes())


@given(TERMS)
def test_texts_of_a_contract_are_not_blank_and_fit_the_networks_limit(terms: Terms) -> None:
    said = on_chain(terms)

    assert all(text.strip() for text in (said.title, said.description, *said.milestones))
    assert len(said.milestones) == len(terms.milestones)
    assert 2 * bytes_of_escrow(terms) + AROUND_BYTES <= TOLD_BYTES_MAX


@given(TERMS)
def test_formula_for_the_size_of_deployment_events_is_exact(terms: Terms) -> None:
    reference = to_public("ord", escrow().order_id)

    told = told_bytes(on_chain(terms), reference=reference)

    assert told == 2 * bytes_of_escrow(terms) + AROUND_BYTES


def test_longest_order_fits_the_networks_limit() -> None:
    assert 2 * bytes_of_escrow(WIDEST) + AROUND_BYTES <= TOLD_BYTES_MAX


def test_too_large_order_is_refused_when_it_is_accepted() -> None:
    contract.require_fit(deployment(WIDEST))
    for milestones in range(51, 100):
        terms = replace(WIDEST, milestones=("m",) * milestones)
        fits = 2 * bytes_of_escrow(terms) + AROUND_BYTES <= TOLD_BYTES_MAX
        with nullcontext() if fits else pytest.raises(contract.EscrowTooLarge):
            contract.require_fit(deployment(terms))


def test_no_word_of_an_order_is_on_the_chain() -> None:
    terms = Terms(
        amount=1,
        title="Logo",
        description="For Mary",
        milestones=("Sketch", "Print"),
        platform_fee_bps=0,
    )
    said = on_chain(terms)

    assert (said.title, said.milestones) == ("Order", ("1", "2"))
    assert said.description.startswith("sha256:")


def test_contracts_of_earlier_versions_are_recognised_by_their_texts() -> None:
    terms = Terms(amount=1, title="Logo", description="", milestones=(" \n",), platform_fee_bps=0)
    given_then = Wording(title="Logo", description="", milestones=(" \n",))
    filled = Wording(title="Logo", description="Logo", milestones=("Logo",))

    assert known(terms) == [on_chain(terms), filled, given_then]
    # What was too long then was told by its digest.
    assert on_chain(WIDEST) in known(WIDEST)
    assert len(known(WIDEST)) == 2


@given(TERMS, TERMS)
def test_orders_with_different_texts_have_different_digests(one: Terms, other: Terms) -> None:
    def words(terms: Terms) -> tuple[str, str, tuple[str, ...]]:
        return terms.title, terms.description, terms.milestones

    assert (on_chain(one) == on_chain(other)) == (words(one) == words(other))
