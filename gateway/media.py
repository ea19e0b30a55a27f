"""Finds the preferred of two media types in an Accept header. Pure.

Source: RFC 9110 §12.5.1.
"""

import re

JSON, STREAM = "application/json", "text/event-stream"
_QUALITY = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.ASCII | re.IGNORECASE)


def prefers_json(accept: str) -> bool:
    """Return whether a client prefers JSON to a stream of events.

    The client must name JSON. A client that accepts any type gets the stream, as it always did.
    """
    qualities = {JSON: 0, STREAM: 0}
    for part in accept.split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        named = JSON if name.lower() == "application/*" else name.lower()
        if named in qualities:
            qualities[named] = max(qualities[named], _thousandths(parameters))
    return qualities[JSON] > qualities[STREAM]


def _thousandths(parameters: list[str]) -> int:
    """Return the quality of a media type in thousandths; 1000 if none is given."""
    for text in parameters:
        if (found := _QUALITY.fullmatch(text)) is not None:
            whole, _, rest = found[1].partition(".")
            return 1000 if whole == "1" else int(rest.ljust(3, "0") or 0)
    return 1000
