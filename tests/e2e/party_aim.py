"""Hooks for schemathesis on the party API: most requests use ids of objects that exist.

`objects.json` in the working folder lists the orders by path, and `business`. Parts of a request
that are invalid on purpose stay unchanged.
"""

import itertools
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation

# One in so many requests names what was generated.
AS_GENERATED = 4
LINK = "https://example.org/proof"
_URL = re.compile(r"https://([a-z]{1,20}\.)+[a-z]{2,20}(/[a-z0-9/]*)?")
_count = itertools.count(1)


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Change a request that is about to be sent."""
    number = next(_count)
    parameters, headers, body = case.path_parameters or {}, case.headers or {}, case.body
    is_aimed = number % AS_GENERATED > 0
    if is_aimed and "order_id" in parameters and _is_right(case, ParameterLocation.PATH):
        route = f"{case.operation.method} {case.operation.path}".upper()
        parameters["order_id"], _, offer = _next(route).partition(" ")
        if offer:
            parameters["offer_id"] = offer
    if is_aimed and "withdrawal_id" in parameters and _is_right(case, ParameterLocation.PATH):
        parameters["withdrawal_id"] = _next(
            f"{case.operation.method} {case.operation.path}".upper()
        )
    if "Idempotency-Key" in headers and is_aimed and _is_right(case, ParameterLocation.HEADER):
        headers["Idempotency-Key"] = f"fuzz-{number}"
    if isinstance(body, dict) and _is_right(case, ParameterLocation.BODY):
        case.body = _mended(body)
        if is_aimed and "business_id" in body:
            case.body["business_id"] = _next("BUSINESS")
        if is_aimed and "destination" in body:
            case.body = {"amount": 0.01, "destination": _next("OUTSIDE")}


def _mended(body: dict[str, Any]) -> dict[str, Any]:
    """Keep the rules that a schema cannot express: cents, links, reasons, the size of terms."""
    mended: dict[str, Any] = _storable(body)
    if isinstance(mended.get("amount"), float | int):
        # However a generator spells it, a right amount has no exponent and two decimals.
        mended["amount"] = round(min(float(mended["amount"]), 10.0**9), 2) or 1
    if "refund_amount" in mended:
        mended["refund_amount"] = 0.4
    if mended.get("evidence"):
        mended["evidence"] = [link if _URL.fullmatch(link) else LINK for link in mended["evidence"]]
    if mended.get("deliverable_url"):
        mended["deliverable_url"] = LINK
    if isinstance(mended.get("reason"), str) and not mended["reason"].strip()[9:]:
        mended["reason"] = "a reason of words"
    if "contract_terms" in mended:
        mended["contract_terms"] = {"days": 3, "rate": 1.5}
    return mended


def _storable(value: Any) -> Any:
    """Leave out the NUL character, which is refused in every text."""
    if isinstance(value, str):
        return value.replace("\x00", "0")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def _is_right(case: Any, location: ParameterLocation) -> bool:
    part = case.meta.components.get(location) if case.meta else None
    return part is None or part.mode.is_positive


def _next(kind: str) -> str:
    return next(_turns()[kind])


@cache
def _turns() -> dict[str, Iterator[str]]:
    objects = json.loads(Path("objects.json").read_text(encoding="utf-8"))
    return {kind.upper(): itertools.cycle(ids) for kind, ids in objects.items()}
