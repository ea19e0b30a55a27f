"""The guide's example verifies a real request, and refuses one that was changed."""

import re
from typing import Any

from deploy.local.settings import ROOT

from .conftest import House, Receiver

PAGE = ROOT / "docs/webhooks.md"


def example() -> Any:
    """Return the function of the guide's example."""
    [source] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), names)  # noqa: S102 - the project's own document
    return names["receive"]


async def test_the_example_verifies_a_request_and_refuses_a_changed_one(
    house: House, receiver: Receiver
) -> None:
    webhook = await house.register(receiver.url)
    event = house.event()
    await house.publish(event)
    [received] = await receiver.got(1)
    receive = example()
    assert receive(received.body.encode(), received.headers, webhook.secret) == event
    assert receive(received.body.encode() + b" ", received.headers, webhook.secret) is None
    assert receive(received.body.encode(), {}, webhook.secret) is None
