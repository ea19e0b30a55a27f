"""Which of two media types a client asks for, by its Accept header. Pure.

Source: RFC 9110 §12.5.1.
"""

import re

JSON, STREAM = "application/json", "text/event-stream"
_QUALITY = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.ASCII | re.IGNORECASE)


def prefers_json(accept: str) -> bool:
    """Tell whether a client asks for JSON rather than for a stream of events.

    It has to name JSON: a client that takes anything gets the stream, as it always did.
    """
    qualities = {JSON: 0, STREAM: 0}
    for part in accept.split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        named = JSON if name.lower() == "application/*" else name.lower()
        if named in qualities:
            qualities[named] = max(qualities[named], _thousandths(parameters))
    return qualities[JSON] > qualities[STREAM]


def _thousandths(parameters: list[str]) -> int:
    """Return the quality that a media type is named with; 1000 unless it has one."""
    for text in parameters:
        if (found := _QUALITY.fullmatch(text)) is not None:
            whole, _, rest = found[1].partition(".")
            return 1000 if whole == "1" else int(rest.ljust(3, "0") or 0)
    return 1000
