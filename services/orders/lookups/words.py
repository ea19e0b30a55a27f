"""The words of a text, as orders are found by them. Pure.

A word is a run of letters and digits, of any script, in any case of letters.
"""

import unicodedata
from collections.abc import Iterable
from itertools import groupby

# So many different words of an order are found, and so many letters of each.
MOST, LONGEST = 100, 40


def words_of(*texts: str) -> tuple[str, ...]:
    """Return the different words of some texts, in the order in which they come."""
    found: dict[str, None] = {}
    for text in texts:
        for word in _words(unicodedata.normalize("NFKC", text).casefold()):
            found.setdefault(word[:LONGEST])
            if len(found) == MOST:
                return tuple(found)
    return tuple(found)


def _words(text: str) -> Iterable[str]:
    return ("".join(run) for is_word, run in groupby(text, str.isalnum) if is_word)
