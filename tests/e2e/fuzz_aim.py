"""Hooks for schemathesis: most requests use ids of objects that exist.

A random id exists nowhere, so a request with one only gets 404. `objects.json` in the working
folder lists existing ids: `users`, and for each path the objects that it can act on. Parts of a
request that are invalid on purpose stay unchanged.
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

# An account of the devnet's own that holds USDC.
OUTSIDE = "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ"
# One in so many requests names what was generated.
AS_GENERATED = 4
_URL = re.compile(r"https://([a-z]{1,20}\.)+[a-z]{2,20}(/[a-z0-9/]*)?")
_count = itertools.count(1)


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Change a request that is about to be sent."""
    number = next(_count)
    parameters, headers, body = case.path_parameters or {}, case.headers or {}, case.body
    is_aimed = number % AS_GENERATED > 0
    if is_aimed and "id" in parameters and _is_right(case, ParameterLocation.PATH):
        parameters["id"], _, inner = _next(case.operation.path).partition(" ")
        if inner:
            parameters["deliveryId" if "deliveryId" in parameters else "offerId"] = inner
        if "ref" in parameters:
            # See routes.MILESTONE; this file runs in another program.
            parameters["ref"] = "all"
    if "Idempotency-Key" in headers and is_aimed and _is_right(case, ParameterLocation.HEADER):
        headers["Idempotency-Key"] = f"fuzz-{number}"
    if isinstance(body, dict) and _is_right(case, ParameterLocation.BODY):
        body = case.body = _storable(body)
        _mend(body)
        if "offerId" in parameters:
            # The side that made an offer cannot answer it: 403.
            body.pop("requestedBy", None)
        if is_aimed:
            _aim(body, number)


def _aim(body: dict[str, Any], number: int) -> None:
    for name in ("buyerId", "sellerId", "userId"):
        if name in body:
            body[name] = _next("users")
    if body.get("clientOrderRef"):
        body["clientOrderRef"] = f"ref-{number}"


def _storable(value: Any) -> Any:
    """Leave out the NUL character, which is refused in every text."""
    if isinstance(value, str):
        return value.replace("\x00", "0")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def _mend(body: dict[str, Any]) -> None:
    """Keep the rules that a schema cannot express: sums, and the exact form of links."""
    if body.get("milestones"):
        body["amount"] = f"{len(body['milestones'])}.00"
        for number, milestone in enumerate(body["milestones"]):
            milestone.update(ref=f"part-{number}", amount="1.00")
    if isinstance(body.get("deltaScore"), float):
        body["deltaScore"] = round(body["deltaScore"], 1)
    if body.get("refundAmount") and "decision" not in body:
        body["refundAmount"] = "0.40"
    for name in {"destination", "address"} & body.keys():
        body[name] = OUTSIDE
    if body.get("memo"):
        body.update(memo="7", memoType="TEXT")
    if body.get("decision") == "SPLIT":
        body.update(releaseAmount="0.40", refundAmount="0.60")
    if body.get("url") and not _URL.fullmatch(body["url"]):
        body["url"] = "https://example.org/proof"
    if body.get("evidence"):
        body["evidence"] = [
            link if _URL.fullmatch(link) else "https://example.org/proof"
            for link in body["evidence"]
        ]


def _is_right(case: Any, location: ParameterLocation) -> bool:
    part = case.meta.components.get(location) if case.meta else None
    return part is None or part.mode.is_positive


def _next(kind: str) -> str:
    return next(_turns()[kind])


@cache
def _turns() -> dict[str, Iterator[str]]:
    objects = json.loads(Path("objects.json").read_text(encoding="utf-8"))
    return {kind: itertools.cycle(ids) for kind, ids in objects.items()}
