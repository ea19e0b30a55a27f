"""A valid request for each RPC of the list of events; the rest is in `builders.py`."""

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.common.v1 import common_pb2 as common
from orchestrator.webhooks.v1 import webhooks_pb2 as webhooks

from kernel.ids import new_id, to_public

EVENTS: dict[str, Callable[[], Any]] = {
    "ListEvents": lambda: webhooks.ListEventsRequest(
        page=common.PageRequest(page_size=20),
        event_types=["order.created", "order.closed"],
        aggregate_id=to_public("ord", new_id()),
        occurred_from=Timestamp(seconds=1),
        occurred_to=Timestamp(seconds=2),
    ),
    "GetEvent": lambda: webhooks.GetEventRequest(event_id=to_public("evt", new_id())),
}
