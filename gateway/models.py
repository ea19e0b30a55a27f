"""Reads requests with strict pydantic models, whose fields have the view's spelling."""

import datetime as dt
import decimal
import re
from collections.abc import Collection
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, unquote_plus

import pydantic
from pydantic import BeforeValidator, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gateway.body import Number, is_storable
from gateway.errors import invalid
from kernel.errors import InvalidArgument
from kernel.money import CENT, LARGEST, parse_amount, to_text

ModelT = TypeVar("ModelT", bound=pydantic.BaseModel)
CURSOR_MAX = 512
PAGE_MAX = 100
PARAMETERS_MAX = 32
NO_TEXT = "is not valid text"
SCORE_MAX = 10
# Types of pydantic errors that have their own code in the API.
_AMOUNT, _CURRENCY = "invalid_amount", "invalid_currency"
_REASONS = {
    "missing": "MISSING_REQUIRED_FIELD",
    _AMOUNT: "INVALID_AMOUNT_FORMAT",
    _CURRENCY: "INVALID_CURRENCY",
}
# Our messages for pydantic's errors. Other errors, and those of our validators, keep their own.
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "string_too_short": "is too short: the least is {min_length}",
    "string_too_long": "is too long: the most is {max_length}",
    "too_short": "has too few items: the least is {min_length}",
    "too_long": "has too many items: the most is {max_length}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
}
_DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)
_DAYS = r"(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31|02-29"
_INSTANT = re.compile(
    rf"20[0-9]{{2}}-({_DAYS})T([01][0-9]|2[0-3])(:[0-5][0-9]){{2}}(\.[0-9]{{1,6}})?Z", re.ASCII
)


class Request(pydantic.BaseModel):
    """A body of the marketplace API: camelCase, snake_case accepted, unknown fields refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class Nothing(Request):
    """A body without fields; it may be left out."""


def _amount(value: Any) -> int:
    if not isinstance(value, str):
        raise PydanticCustomError(_AMOUNT, 'must be a decimal string such as "80.00"')
    try:
        return parse_amount(value)
    except InvalidArgument as error:
        raise PydanticCustomError(_AMOUNT, "{reason}", {"reason": error.message}) from None


def _currency(value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch(r"[A-Z]{3,12}", value, re.ASCII) is None:
        raise PydanticCustomError(_CURRENCY, "must be USDC or USD")
    return value


def _instant(value: Any) -> dt.datetime:
    try:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return dt.datetime.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("instant", "must be an instant such as 2026-02-18T10:00:00.000Z")


def _page_size(value: Any) -> int:
    size = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else 0
    if not 1 <= size <= PAGE_MAX:
        raise PydanticCustomError("limit", "must be a whole number from 1 to 100")
    return size


def _score(value: Any) -> int:
    is_number = isinstance(value, int | float | Number) and not isinstance(value, bool)
    if is_number and 0 <= value <= SCORE_MAX:
        tenths = decimal.Decimal(str(value)) * 10
        if tenths == int(tenths):
            return int(tenths)
    raise PydanticCustomError("score", "must be a number from 0 to 10 with at most one decimal")


def up_to(largest: str) -> str:
    """Return a pattern that matches numbers with two decimals that do not exceed `largest`."""
    whole, _, cents = largest.partition(".")
    digits = whole + cents

    def dotted(*parts: str) -> str:
        return "".join((*parts[: len(whole)], r"\.", *parts[len(whole) :]))

    found = [dotted(*digits)]
    for place, digit in enumerate(digits):
        least, rest = (1 if place == 0 else 0), len(digits) - place - 1
        if int(digit) > least:
            found.append(dotted(*digits[:place], f"[{least}-{int(digit) - 1}]", *["[0-9]"] * rest))
    return "|".join(found)


# The range of `parse_amount`: more than "0.00", and at most what the chain can move at once.
LARGEST_AMOUNT = to_text(LARGEST // CENT * CENT)
_POSITIVE = rf"^(0\.(0[1-9]|[1-9][0-9])|[1-9][0-9]{{0,10}}\.[0-9]{{2}}|{up_to(LARGEST_AMOUNT)})$"
Amount = Annotated[
    int,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _POSITIVE,
            "examples": ["80.00"],
            "description": "Decimal string with two decimals, greater than 0, "
            f"at most {LARGEST_AMOUNT}.",
        }
    ),
]
Currency = Annotated[
    str,
    BeforeValidator(_currency),
    WithJsonSchema({"type": "string", "enum": ["USDC", "USD"], "default": "USDC"}),
]
# A score as a whole number of tenths: 87 is 8.7.
Score = Annotated[
    int,
    BeforeValidator(_score),
    # No multipleOf: in binary floating point, 8.7 is not a multiple of 0.1.
    WithJsonSchema(
        {
            "type": "number",
            "minimum": 0,
            "maximum": SCORE_MAX,
            "description": "At most one decimal.",
        }
    ),
]
PageSize = Annotated[
    int,
    BeforeValidator(_page_size),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 20}),
]
Instant = Annotated[
    dt.datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_INSTANT.pattern}$"}),
]
Cursor = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=CURSOR_MAX)]
# The pattern of a UUID as `kernel.ids.parse_uuid` accepts it, for schemas.
UUID_PATTERN = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
UserName = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Destination = Annotated[
    str,
    pydantic.StringConstraints(min_length=1, max_length=100),
    pydantic.Field(description="An account of Stellar (G…), or somebody behind one (M…)."),
]
Memo = Annotated[
    str,
    pydantic.StringConstraints(min_length=1, max_length=64),
    pydantic.Field(description="Names the recipient behind an address that several share."),
]


def validated(model: type[ModelT], value: Any) -> ModelT:
    """Validate a JSON value as a model.

    Raises: InvalidArgument: lists every invalid field. Its reason is the fields' common reason, or
        VALIDATION_ERROR if they differ.
    """
    if not isinstance(value, dict):
        raise InvalidArgument(
            "The body must be a JSON object", fields=[("body", "must be a JSON object")]
        )
    for name, info in model.model_fields.items():
        alias = info.alias or name
        if alias != name and alias in value and name in value:
            raise invalid(name, f"is also given as {alias}")
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise refusal(error) from None


def validated_query(model: type[ModelT] | None, query: bytes) -> ModelT | None:
    """Validate a query string as a model. Without a model, every parameter is refused.

    Raises: InvalidArgument: as `validated`; a parameter is given twice or is not UTF-8.
    """
    if not query:
        return None if model is None else model()
    values: dict[str, Any] = {}
    for name, value in _parameters(query):
        if name in values:
            raise invalid(name, "is given twice")
        if not is_storable(value):
            raise invalid(name, NO_TEXT)
        values[name] = value
    return validated(model or Nothing, values)  # type: ignore[return-value] # Nothing refuses all


def _parameters(query: bytes) -> list[tuple[str, str]]:
    """Split a query string. Raises: InvalidArgument: a parameter is not UTF-8; names it."""
    parts = query.split(b"&")
    if len(parts) > PARAMETERS_MAX:
        raise InvalidArgument(
            "Invalid query string", fields=[("query", f"has more than {PARAMETERS_MAX} parameters")]
        )
    pairs = []
    for part in parts:
        try:
            text = part.decode("ascii")
            pairs += parse_qsl(text, keep_blank_values=True, errors="strict")
        except ValueError:
            name = unquote_plus(part.partition(b"=")[0].decode("latin-1"), errors="replace")
            is_name = name.isascii() and name.isprintable() and name
            found = name[:64] if is_name else "query"
            raise invalid(found, NO_TEXT) from None
    return pairs


def given(*names: str) -> dict[str, Any]:
    """Return a schema that says that some fields are required and not null."""
    return {"required": list(names), **typed("string", *names)}


def typed(kind: str, *names: str) -> dict[str, Any]:
    """Return a schema that gives the type of some fields and says nothing about the others."""
    return {
        "properties": {name: {"type": kind} for name in names},
        "unevaluatedProperties": True,
    }


def agreeing(names: Collection[str], values: Collection[str]) -> dict[str, Any]:
    """Return a schema that says that some fields may not have different values."""
    kinds = [{name: {"enum": [value, None]} for name in names} for value in values]
    return {"anyOf": [{"properties": kind, "unevaluatedProperties": True} for kind in kinds]}


def unfit(kind: str, message: str, *, fields: Collection[str]) -> PydanticCustomError:
    """Return the error of a rule between fields. kind: "missing" if fields are missing."""
    return PydanticCustomError(kind, message, {"fields": [(name,) for name in fields]})


def refusal(error: pydantic.ValidationError) -> InvalidArgument:
    """Convert pydantic's errors into a refusal that names each field."""
    fields, reasons = [], set()
    for found in error.errors(include_url=False, include_input=False):
        known = _MESSAGES.get(found["type"])
        message = found["msg"] if known is None else known.format(**found.get("ctx", {}))
        # An error of a rule between fields is reported for each of the fields.
        parts = found.get("ctx", {}).get("fields", [()])
        fields += [(_place((*found["loc"], *part)), message) for part in parts]
        reasons.add(_REASONS.get(found["type"], "VALIDATION_ERROR"))
    reason = reasons.pop() if len(reasons) == 1 else "VALIDATION_ERROR"
    names = ", ".join(dict.fromkeys(name for name, _ in fields))
    return InvalidArgument(f"Invalid field: {names}", fields=fields, reason=reason)


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text[:200] or "body"
