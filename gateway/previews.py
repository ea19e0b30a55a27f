"""Previews: whether a request asks for a preview, and how a command becomes one."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from google.protobuf.message import Message
from orchestrator.orders.v1 import orders_pb2

from gateway.errors import invalid
from kernel.errors import InvalidArgument

PARAMETER, PREFERENCE = "dryRun", "dry-run"
_VALUES = {"true": True, "false": False}
# A misspelled dry-run. The client wants a preview, so the request must not be carried out.
_MEANT = re.compile(r"dry[\s_-]?run", re.IGNORECASE)


class PreviewNotSupported(InvalidArgument):
    """The route has no preview. Nothing was done."""

    reason = "DRY_RUN_NOT_SUPPORTED"


class Previewed(Exception):
    """Ends a handler: the command was not carried out; `preview` is what it would do."""

    def __init__(self, preview: orders_pb2.Preview) -> None:
        super().__init__()
        self.preview = preview


def wanted(headers: Mapping[str, str], query: bytes) -> tuple[bool, bytes]:
    """Return whether a change must only be previewed, and the query string without that parameter.

    Raises: InvalidArgument: the wish is misspelled, or header and parameter contradict each other.
    """
    preferred = _preferred(headers.get("prefer", ""))
    rest, asked = [], None
    for part in query.split(b"&"):
        name, _, value = part.decode("latin-1").partition("=")
        if unquote_plus(name) != PARAMETER:
            rest.append(part)
            continue
        if asked is not None:
            raise invalid(PARAMETER, "is given twice")
        asked = _VALUES.get(unquote_plus(value))
        if asked is None:
            raise invalid(PARAMETER, "must be true or false")
    if preferred and asked is False:
        raise invalid(PARAMETER, "contradicts Prefer: dry-run")
    return preferred or bool(asked), b"&".join(rest)


def _preferred(header: str) -> bool:
    """Return whether `Prefer` asks for a preview. Raises: InvalidArgument: it is misspelled."""
    found = False
    for part in header.split(","):
        preference = part.strip()
        if preference.lower() == PREFERENCE:
            found = True
        elif _MEANT.match(preference):
            raise invalid("Prefer", "must be dry-run, without a value", what="header")
    return found


def preview_of(request: Message) -> orders_pb2.GetPreviewRequest:
    """Return the request for the preview of a command. Raises: PreviewNotSupported."""
    asked = orders_pb2.GetPreviewRequest()
    for known in asked.DESCRIPTOR.oneofs_by_name["command"].fields:
        if known.message_type is request.DESCRIPTOR:
            getattr(asked, known.name).CopyFrom(request)
            return asked
    raise not_supported()


def not_supported() -> PreviewNotSupported:
    """Return the refusal of a preview on a route without previews."""
    return PreviewNotSupported("This route has no preview; nothing was done")
