"""Split texts into the words by which orders are found. Pure.

A word is a run of letters and digits of any script. Upper and lower case are the same.
"""

import re
import unicodedata

# The most different words of an order that are indexed, and the longest indexed part of a word.
MOST, LONGEST = 100, 40
# Letters and digits, as str.isalnum defines them, without the underscore.
_WORD = re.compile(r"[^\W_]+")


def words_of(*texts: str) -> tuple[str, ...]:
    """Return the different words of the texts, in the order of their first occurrence."""
    found: dict[str, None] = {}
    for text in texts:
        for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
            found.setdefault(word[:LONGEST])
            if len(found) == MOST:
                return tuple(found)
    return tuple(found)
