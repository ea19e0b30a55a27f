"""The AsyncAPI document: every event, and how it is delivered: over NATS, the stream or webhooks.

The document is generated from the declared events (`event_types.py`), as the OpenAPI documents are
generated from routes. Source: AsyncAPI 3.0.0.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway import media
from gateway.event_types import AGGREGATE_TYPES, DECLARED, Declared
from kernel.version import VERSION

PATH = "/asyncapi.json"
STREAM, WEBHOOK, TEST = "stream", "webhooks", "webhook.test"
_TEXT = {"type": "string"}
_KINDS: Mapping[int, Mapping[str, Any]] = {
    FieldDescriptor.CPPTYPE_STRING: _TEXT,
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer"},
}
_INFO = """\
Every change of an order, a balance, a dispute, a withdrawal … is an event. Its body is the same \
on NATS, in the stream of the gateway and in webhooks. Delivery is at least once, and in order for \
each aggregate: `version` counts an aggregate's events from 1 without a gap. New fields may be \
added; ignore what you do not know. docs/events.md says when each event is published.\
"""
# The fields of every event, whatever it is about.
_EVENT = {
    "type": "object",
    "required": [
        *("eventId", "eventType", "occurredAt", "aggregateId", "aggregateType", "version"),
        *("payload", "metadata"),
    ],
    "properties": {
        "eventId": {**_TEXT, "pattern": "^evt_[0-9A-Za-z]+$"},
        "eventType": _TEXT,
        "occurredAt": {**_TEXT, "format": "date-time"},
        "aggregateId": {**_TEXT, "description": "The public id of what the event is about"},
        "aggregateType": {**_TEXT, "enum": [*AGGREGATE_TYPES]},
        "version": {"type": "integer", "minimum": 1},
        "payload": {"type": "object"},
        "metadata": {
            "type": "object",
            "required": ["marketplaceId"],
            "properties": dict.fromkeys(
                ("correlationId", "causationId", "userId", "marketplaceId"), _TEXT
            ),
        },
    },
}
_NATS_HEADERS = {
    "type": "object",
    "properties": {
        "Nats-Msg-Id": {**_TEXT, "description": "On NATS: the event's id"},
        "marketplace-id": {**_TEXT, "description": "On NATS: whose event it is"},
        **dict.fromkeys(("ce-id", "ce-type", "ce-source", "ce-time", "ce-specversion"), _TEXT),
    },
}
_WEBHOOK_HEADERS = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {**_TEXT, "description": "The event's id"},
        "webhook-timestamp": {**_TEXT, "description": "When it was sent, in seconds since 1970"},
        "webhook-signature": {**_TEXT, "description": "As Standard Webhooks says: `v1,…`"},
    },
}
_DELIVERED = {
    "contentType": media.JSON,
    "headers": _NATS_HEADERS,
    "bindings": {"http": {"headers": _WEBHOOK_HEADERS, "bindingVersion": "0.3.0"}},
}
_FILTERS = {
    "type": "object",
    "properties": {
        "types": {**_TEXT, "examples": ["order.created,balance.*"]},
        "resourceTypes": {**_TEXT, "examples": ["Order,Balance"]},
    },
}


def document() -> dict[str, Any]:
    """Return the document."""
    families = list(dict.fromkeys(one.family for one in DECLARED.values()))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Orchestrator: events",
            "version": VERSION,
            "description": _INFO,
            "contact": {"name": "The operator of this gateway"},
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": media.JSON,
        "servers": {"gateway": _GATEWAY, "nats": _NATS},
        "channels": {
            **{family: _family(family) for family in families},
            STREAM: _STREAM_CHANNEL | {"messages": _messages(DECLARED)},
            WEBHOOK: _WEBHOOK_CHANNEL | {"messages": _messages([*DECLARED, TEST])},
        },
        "operations": {
            **{f"publish{family.title()}": _sends(family) for family in families},
            "streamEvents": _sends(STREAM) | _asked("GET", query=_FILTERS),
            "sendWebhook": _sends(WEBHOOK) | _asked("POST"),
        },
        "components": {
            "messages": {name: _message(name) for name in [*DECLARED, TEST]},
            "schemas": dict(_schemas()),
            "messageTraits": {"delivered": _DELIVERED},
            "securitySchemes": _SECURITY,
        },
    }


def text() -> str:
    """Return the document's text, as stored in docs/."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode() + "\n"


def _family(family: str) -> dict[str, Any]:
    names = [name for name, one in DECLARED.items() if one.family == family]
    return {
        "address": f"{family}.{{event}}",
        "description": f"The subjects `{family}.*` of the JetStream stream ORCHESTRATOR.",
        "servers": [{"$ref": "#/servers/nats"}],
        "parameters": {"event": {"enum": [name.partition(".")[2] for name in names]}},
        "messages": _messages(names),
    }


def _messages(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _sends(channel: str) -> dict[str, Any]:
    """Describe the operation by which this system sends a channel's events."""
    return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}}


def _asked(method: str, **more: Any) -> dict[str, Any]:
    return {"bindings": {"http": {"method": method, **more, "bindingVersion": "0.3.0"}}}


def _message(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "traits": [{"$ref": "#/components/messageTraits/delivered"}],
    }


def _schemas() -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield the schema of each event and of its payload, by name."""
    yield "Event", _EVENT
    for name, one in DECLARED.items():
        yield name, _event(name, one.aggregate_type, one.payload.name)
        yield one.payload.name, _payload(one)
    yield TEST, _event(TEST, "Webhook", "WebhookTestEvent")
    yield "WebhookTestEvent", {"type": "object", "properties": {"webhookId": _TEXT}}


def _event(name: str, aggregate_type: str, payload: str) -> dict[str, Any]:
    own = {
        "eventType": {"const": name},
        "aggregateType": {"const": aggregate_type},
        "payload": {"$ref": f"#/components/schemas/{payload}"},
    }
    return {"allOf": [{"$ref": "#/components/schemas/Event"}, {"properties": own}]}


def _payload(one: Declared) -> dict[str, Any]:
    """Describe a payload. A field without a value may be absent."""
    message: Descriptor = one.payload
    properties = {field.json_name: dict(_KINDS[field.cpp_type]) for field in message.fields}
    return {"type": "object", "properties": properties}


_SECURITY = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key: `Authorization: Bearer ohk_live_…`. People use the party API's "
        "token, and get the events of their own orders.",
    },
    "natsUser": {"type": "userPassword", "description": "A user that the operator has created"},
}
_GATEWAY = {
    "host": "{gateway}",
    "protocol": "https",
    "description": "The gateway that serves this document.",
    "variables": {"gateway": {"default": "localhost:8080"}},
    "security": [{"$ref": "#/components/securitySchemes/apiKey"}],
}
_NATS = {
    "host": "{nats}",
    "protocol": "nats",
    "description": "The operator's NATS, over TLS: for the operator's own services.",
    "variables": {"nats": {"default": "localhost:4222"}},
    "security": [{"$ref": "#/components/securitySchemes/natsUser"}],
}
_STREAM_CHANNEL = {
    "address": "/api/v1/events",
    "description": "Server-sent events of the caller's marketplace: `id` for `Last-Event-ID`, "
    "`event` is the type, `data` the event. `ping` has neither. With `Accept: application/json`, "
    "the list of the last 30 days.",
    "servers": [{"$ref": "#/servers/gateway"}],
}
# The address is a URL that the marketplace registers.
_WEBHOOK_CHANNEL = {
    "address": None,
    "description": "POST to a URL that the marketplace has registered, signed as Standard Webhooks "
    "describes. Any 2xx answer takes the event.",
}
