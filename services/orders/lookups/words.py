"""The words of a text, as orders are found by them. Pure.

A word is a run of letters and digits, of any script, in any case of letters.
"""

import re
import unicodedata

# So many different words of an order are found, and so many letters of each.
MOST, LONGEST = 100, 40
# What str.isalnum says of each: letters and digits, without the underscore.
_WORD = re.compile(r"[^\W_]+")


def words_of(*texts: str) -> tuple[str, ...]:
    """Return the different words of some texts, in the order in which they come."""
    found: dict[str, None] = {}
    for text in texts:
        for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
            found.setdefault(word[:LONGEST])
            if len(found) == MOST:
                return tuple(found)
    return tuple(found)
