"""Telemetry: logs as JSON events with fields. They never contain keys, tokens or personal data."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

# The value of a field with one of these names is always secret.
SECRET_WORDS = (
    "secret",
    "password",
    "token",
    "authorization",
    "apikey",
    "privatekey",
    "pepper",
    "seed",
)


def _redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {key: _shown(key, value) for key, value in event.items()}


def _shown(key: object, value: Any) -> Any:
    plain = str(key).lower().replace("_", "").replace("-", "")
    if any(word in plain for word in SECRET_WORDS):
        return "[redacted]"
    if isinstance(value, Mapping):
        return {inner: _shown(inner, held) for inner, held in value.items()}
    if isinstance(value, list | tuple):
        return [_shown("", held) for held in value]
    return value


def configure(*, service: str, level: str) -> None:
    """Write the process's logs to standard error, one JSON object per line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _redact,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def logger() -> Any:
    """Return the logger. Fields belong to an event: `log.info("escrow.funded", escrow_id=…)`."""
    return structlog.get_logger()
