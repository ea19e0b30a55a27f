"""Intents that differ from a given one in one field each."""

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from stellar_sdk import scval

from services.escrow.contracts.intents import Intent, Memo, MemoType
from tests.unit.escrow.stellar_envelopes import WASM_HASH, address_of, contract_of


def other_intents(intent: Intent) -> Iterator[tuple[str, Intent]]:
    """Return every intent that differs in one field."""
    for field in fields(intent):
        for changed in other_values(getattr(intent, field.name)):
            yield field.name, replace(intent, **{field.name: changed})


def other_values(value: Any) -> list[Any]:  # noqa: PLR0911 - one line per kind
    """Return values of the same kind, each different."""
    if isinstance(value, int):
        return [value + 1, value + 100_000]
    if isinstance(value, bytes) and len(value) == 32:
        return [bytes([value[0] ^ 1, *value[1:]])]
    if isinstance(value, bytes):
        return [scval.to_struct({"amount": scval.to_int128(1)}).to_xdr_bytes()]
    if isinstance(value, str) or value is None:
        return [other_text(value)]
    if isinstance(value, tuple):
        return [value[1:], value[::-1], (*value[:-1], other_text(value[-1]))]
    if isinstance(value, Memo):
        return [None, replace(value, value="8"), replace(value, type=MemoType.ID)]
    if is_dataclass(value):
        return [
            replace(value, **{field.name: other_text(getattr(value, field.name))})
            for field in fields(value)
            if not isinstance(value, type)
        ]
    thief = address_of("thief")
    keys = list(value)
    return [
        {**value, keys[0]: value[keys[0]] + 1},
        {thief: value[keys[0]], keys[1]: value[keys[1]]},
        {keys[0]: value[keys[0]]},
        {keys[0]: value[keys[1]], keys[1]: value[keys[0]]},
    ]


def other_text(value: str | None) -> str:
    """Return another text of the same kind."""
    if value is None:
        return "evidence"
    if value == WASM_HASH:
        return hashlib.sha256(b"other").hexdigest()
    if len(value) == 56 and value[0] in "GC":
        return address_of("thief") if value[0] == "G" else contract_of("other")
    return value + "!"
