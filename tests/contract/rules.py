"""A violation for every field rule of a contract, generated from the descriptors.

A rule that this file does not know fails the collection of the tests: add its violation.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from orchestrator.buf.validate import validate_pb2

Change = Callable[[Any], None]
NUMBERS = frozenset({"int32", "int64", "uint32", "uint64"})
# For rules that are written in CEL: what breaks each, by its id.
BROKEN_CEL: dict[str, Change] = {
    "escrow.amount.cents": lambda amount: setattr(amount, "minor_units", 1),
    "escrow.daily_limit": lambda limit: setattr(limit, "minor_units", -1),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule of one field. path: the field's name in the refusal; change: violates the rule."""

    path: str
    rule: str
    change: Change

    def __str__(self) -> str:
        return f"{self.path}:{self.rule}"


def violations(descriptor: Descriptor) -> Iterator[Violation]:
    """Yield a violation for every rule of a message, nested ones too."""
    if _rules(descriptor, validate_pb2.message).ListFields():
        raise NotImplementedError(f"rules of the whole message: {descriptor.full_name}")
    for oneof in descriptor.oneofs:
        if _rules(oneof, validate_pb2.oneof).required:
            yield Violation(oneof.name, "oneof", _clear_oneof(oneof.name))
    for field in descriptor.fields:
        yield from _of_field(field)


def _rules(described: Any, extension: Any) -> Any:
    return described.GetOptions().Extensions[extension]


def _clear_oneof(name: str) -> Change:
    def change(message: Any) -> None:
        message.ClearField(message.WhichOneof(name))

    return change


def _of_field(field: FieldDescriptor) -> Iterator[Violation]:
    rules = _rules(field, validate_pb2.field)
    for kind, value in rules.ListFields():
        if kind.name == "ignore":
            continue
        if kind.name == "required":
            yield Violation(field.name, "required", _clear(field.name))
        elif kind.name == "cel":
            for rule in value:
                yield Violation(field.name, rule.id, _inside(field.name, BROKEN_CEL[rule.id]))
        elif kind.name == "repeated":
            yield from _of_list(field, value)
        else:
            may_be_empty = rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE
            for name, broken in _broken(kind.name, value, may_be_empty=may_be_empty):
                yield Violation(field.name, name, _set(field.name, broken))
    # Validated by its method, under the names that the command's own method uses.
    is_later = rules.ignore == validate_pb2.IGNORE_ALWAYS
    if field.message_type is not None and _is_ours(field.message_type) and not is_later:
        yield from _nested(field, field.message_type)


def _is_ours(descriptor: Descriptor) -> bool:
    return str(descriptor.full_name).startswith("orchestrator.")


def _nested(field: FieldDescriptor, inside: Descriptor) -> Iterator[Violation]:
    prefix = f"{field.name}[0]" if field.is_repeated else field.name
    for inner in violations(inside):
        path = f"{prefix}.{inner.path}"
        yield Violation(path, inner.rule, _inside(field.name, inner.change))


def _of_list(field: FieldDescriptor, rules: Any) -> Iterator[Violation]:
    for kind, value in rules.ListFields():
        if kind.name == "min_items":
            yield Violation(field.name, "min_items", _clear(field.name))
        elif kind.name == "max_items":
            yield Violation(field.name, "max_items", _repeat(field.name, value + 1))
        elif kind.name == "items":
            for inner, rule in value.ListFields():
                for name, broken in _broken(inner.name, rule, may_be_empty=False):
                    yield Violation(f"{field.name}[0]", name, _set_first(field.name, broken))
        else:
            raise NotImplementedError(f"repeated.{kind.name} of {field.full_name}")


def _broken(kind: str, rules: Any, *, may_be_empty: bool) -> Iterator[tuple[str, Any]]:
    for rule, value in rules.ListFields():
        if kind == "string":
            yield rule.name, _broken_text(rule.name, value, may_be_empty=may_be_empty)
        elif kind == "bytes" and rule.name == "max_len":
            yield rule.name, b"x" * (value + 1)
        elif kind == "enum":
            yield from ((rule.name, broken) for broken in _broken_enum(rule.name, value))
        elif kind in NUMBERS:
            yield rule.name, _broken_number(rule.name, value)
        else:
            raise NotImplementedError(f"{kind}.{rule.name}")


def _broken_text(rule: str, value: Any, *, may_be_empty: bool) -> str:
    if rule == "pattern":
        candidates = [] if may_be_empty else [""]
        candidates += ["\x7f", "é" * 3, "a b" * 200]
        return next(text for text in candidates if re.fullmatch(value, text) is None)
    broken: dict[str, Callable[[], str]] = {
        "min_len": lambda: "a" * (value - 1),
        "max_len": lambda: "a" * (value + 1),
        "max_bytes": lambda: "a" * (value + 1),
        "uuid": lambda: str(uuid.uuid4())[:-1],
        "email": lambda: "nobody at nowhere",
        "in": lambda: "none of " + " ".join(value),
    }
    return broken[rule]()


def _broken_enum(rule: str, value: Any) -> list[int]:
    if rule == "in":
        return [other for other in (0, max(value) + 1) if other not in value]
    if rule == "not_in":
        return list(value)
    if rule == "defined_only" and value:
        return [9999]
    raise NotImplementedError(f"enum.{rule}")


def _broken_number(rule: str, value: int) -> int:
    return {"gte": value - 1, "gt": value, "lte": value + 1, "lt": value}[rule]


def _clear(name: str) -> Change:
    def change(message: Any) -> None:
        message.ClearField(name)

    return change


def _set(name: str, value: Any) -> Change:
    def change(message: Any) -> None:
        setattr(message, name, value)

    return change


def _set_first(name: str, value: Any) -> Change:
    def change(message: Any) -> None:
        getattr(message, name)[0] = value

    return change


def _repeat(name: str, count: int) -> Change:
    def change(message: Any) -> None:
        items = getattr(message, name)
        items.extend([items[0]] * (count - len(items)))

    return change


def _inside(name: str, inner: Change) -> Change:
    def change(message: Any) -> None:
        value = getattr(message, name)
        inner(value if isinstance(value, Message) else value[0])

    return change
