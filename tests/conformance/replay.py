"""Plays a document's examples on a running stack, and tells where an answer is not as printed.

Printed values stand for themselves, save those that cannot be the same twice: ids, the address of
a contract, instants, the key. They stand for their shape.
"""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

# What the document prints → what is meant.
SHAPES: Mapping[str, str] = {
    r"ord_VxaM\.\.\.": r"ord_[0-9A-Za-z]{22}",
    r"esc_abc123": r"esc_[0-9A-Za-z]{22}",
    r"dsp_abc123": r"dsp_[0-9A-Za-z]{22}",
    r"C\.\.\.": r"C[A-Z2-7]{55}",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
}
ORDER = "ord_VxaM..."
KEY = "ohk_live_..."
UUID = "<uuid-v4>"


@dataclass(slots=True)
class Replay:
    """One order's way through the examples. url: of the gateway; key: an API key.

    order_id: what the document's order is called here, once it was created.
    """

    client: httpx.AsyncClient
    url: str
    key: str
    order_id: str = ""
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def play(self, example: Mapping[str, Any], **headers: str) -> httpx.Response:
        """Send the request exactly as printed. headers: instead of printed ones, _ for -."""
        request = example["request"]
        printed = {name: self._filled(value) for name, value in request["headers"].items()}
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.request(
            request["method"],
            f"{self.url}{self._filled(request['path'])}",
            headers=printed | own,
            json=request["body"],
        )
        if answer.is_success:
            self.answers[example["title"]] = answer.json()
            self.order_id = self.order_id or answer.json()["data"]["id"]
        return answer

    def _filled(self, text: str) -> str:
        if UUID in text:
            text = text.replace(UUID, str(uuid.uuid4()))
        return text.replace(ORDER, self.order_id).replace(KEY, self.key)


def differences(printed: object, answered: object, *, at: str = "answer") -> Iterator[str]:
    """Say where an answer is not what the document prints: a line each."""
    if isinstance(printed, dict) and isinstance(answered, dict):
        for name in printed.keys() - answered.keys():
            yield f"{at}.{name} is missing"
        for name in answered.keys() - printed.keys():
            yield f"{at}.{name} is not in the document"
        for name in printed.keys() & answered.keys():
            yield from differences(printed[name], answered[name], at=f"{at}.{name}")
    elif isinstance(printed, str) and (shape := _shape(printed)) is not None:
        if not isinstance(answered, str) or re.fullmatch(shape, answered, re.ASCII) is None:
            yield f"{at} is {answered!r}, not like {printed!r}"
    elif type(printed) is not type(answered) or printed != answered:
        yield f"{at} is {answered!r}, not {printed!r}"


def _shape(printed: str) -> str | None:
    """Return what a printed value stands for; None where it stands for itself."""
    return next((is_ for said, is_ in SHAPES.items() if re.fullmatch(said, printed)), None)
