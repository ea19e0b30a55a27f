"""The texts of an order's contract: a reference and a digest, never the order's own words. Pure.

A public ledger keeps its texts for ever, anybody can read them, and every byte costs rent. So the
words stay in the database, and the chain has a digest that proves which words were agreed.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from services.escrow.domain import Terms

# A deployment writes the whole escrow twice: in its event and as its value. This is the most that
# both may have together, in bytes.
# Source: stellar-core, soroban-settings, tx_max_contract_events_size_bytes.
TOLD_BYTES_MAX = 16_384
# The XDR around both; an escrow's XDR without its texts; a milestone's without its description.
AROUND_BYTES, ESCROW_BYTES, MILESTONE_BYTES = 132, 824, 120
# The title of every contract.
ORDER = "Order"
# Versions before this one wrote an order's own words if they had at most this many bytes.
FORMER_BYTES_MAX, FORMER_MILESTONE_BYTES = 6_900, 136


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The texts of a contract. None is blank."""

    title: str
    description: str
    milestones: tuple[str, ...]


def on_chain(terms: Terms) -> Wording:
    """Return the texts of an order's contract: the SHA-256 of a JSON list of all its words."""
    words = json.dumps([terms.title, terms.description, *terms.milestones], ensure_ascii=True)
    return Wording(
        title=ORDER,
        description=f"sha256:{hashlib.sha256(words.encode()).hexdigest()}",
        milestones=tuple(str(number) for number in range(1, len(terms.milestones) + 1)),
    )


def known(terms: Terms) -> Sequence[Wording]:
    """Return the texts that an order's contract may have: today's, and those of older versions."""
    given = Wording(title=terms.title, description=terms.description, milestones=terms.milestones)
    title = _said(terms.title, ORDER)
    own = Wording(
        title=title,
        description=_said(terms.description, title),
        milestones=tuple(_said(text, title) for text in terms.milestones),
    )
    size = _text_bytes(own) + FORMER_MILESTONE_BYTES * len(own.milestones)
    said = [own] if size <= FORMER_BYTES_MAX else []
    return [on_chain(terms), *said, given]


def told_bytes(wording: Wording, *, reference: str) -> int:
    """Return how many bytes a deployment writes; more than TOLD_BYTES_MAX can never land."""
    texts = _text_bytes(wording) + _padded(reference)
    escrow = ESCROW_BYTES + texts + MILESTONE_BYTES * len(wording.milestones)
    return AROUND_BYTES + 2 * escrow


def _said(text: str, otherwise: str) -> str:
    return text.strip() or otherwise


def _text_bytes(wording: Wording) -> int:
    return sum(map(_padded, [wording.title, wording.description, *wording.milestones]))


def _padded(text: str) -> int:
    # XDR pads every text to whole words of four bytes.
    return -(-len(text.encode()) // 4) * 4
