"""What a contract says of an order in words: valid on every network and for every builder. Pure.

The API takes orders without a description, and longer ones than a ledger takes. The provider's API
takes no empty text, and the network limits what one call may tell. So the words are chosen here,
once, for whoever builds the call; the contract on chain is compared with the same ones.
"""

import hashlib
import json
from dataclasses import dataclass

from services.escrow.domain import Terms

# A deployment tells the whole escrow twice, in its event and as its value, in 16,384 bytes at most.
# What is no text of ours takes less than the rest. Source: stellar-core, soroban-settings,
# tx_max_contract_events_size_bytes.
TEXT_BYTES_MAX = 6_900
# One milestone besides its description: the names of its fields, its flag, its first status.
MILESTONE_BYTES = 136
# The title of a contract whose order has more words than fit, or none that can be read.
ORDER = "Order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The texts of a contract. None is blank, and together they fit."""

    title: str
    description: str
    milestones: tuple[str, ...]


def on_chain(terms: Terms) -> Wording:
    """Return what an order's contract says: its own words, or a digest of them if they do not fit.

    What is blank says what stands above it: a description the title, a milestone its title's.
    """
    title = _said(terms.title, ORDER)
    own = Wording(
        title=title,
        description=_said(terms.description, title),
        milestones=tuple(_said(text, title) for text in terms.milestones),
    )
    return own if _bytes(own) <= TEXT_BYTES_MAX else _digest(terms)


def as_given(terms: Terms) -> Wording:
    """Return an order's words as they are: contracts said so before there was a choice."""
    return Wording(title=terms.title, description=terms.description, milestones=terms.milestones)


def _digest(terms: Terms) -> Wording:
    """Return words that prove which ones were agreed: SHA-256 of a JSON list of all of them."""
    words = json.dumps([terms.title, terms.description, *terms.milestones], ensure_ascii=True)
    return Wording(
        title=ORDER,
        description=f"sha256:{hashlib.sha256(words.encode()).hexdigest()}",
        milestones=tuple(str(number) for number in range(1, len(terms.milestones) + 1)),
    )


def _said(text: str, otherwise: str) -> str:
    return text.strip() or otherwise


def _bytes(wording: Wording) -> int:
    texts = [wording.title, wording.description, *wording.milestones]
    # XDR fills every text up to whole words of four bytes.
    filled = sum(-(-len(text.encode()) // 4) * 4 for text in texts)
    return filled + MILESTONE_BYTES * len(wording.milestones)
