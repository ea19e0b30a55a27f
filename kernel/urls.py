"""Links that people hand in: kept and shown as text, never fetched."""

from urllib.parse import urlsplit

from kernel.errors import InvalidArgument

LONGEST = 2048


class InvalidUrl(InvalidArgument):
    """The text is no link that may be shown to the other side."""

    reason = "INVALID_URL"


def require_url(text: str, *, field: str) -> str:
    """Return the text where it is an https URL that shows where it leads.

    Refused: other schemes, more than 2,048 characters, spaces, control and invisible characters,
    a backslash (browsers read it as a slash), and a user name before the host.

    Raises: InvalidUrl: names `field`.
    """
    if problem := _problem(text):
        raise InvalidUrl(f"Invalid URL: {field}", fields=[(field, problem)])
    return text


def _problem(text: str) -> str:
    if len(text) > LONGEST:
        return f"must be at most {LONGEST} characters long"
    # Looked at first: the parser below drops tabs and line breaks without a word.
    if not text.isprintable() or " " in text or "\\" in text:
        return "must not hold spaces, control characters or backslashes"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "must be a URL"
    if parts.scheme != "https" or not parts.hostname or port == 0:
        return "must start with https:// and a host"
    return "must not hold a user name" if "@" in parts.netloc else ""
