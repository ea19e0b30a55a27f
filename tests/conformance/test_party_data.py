"""The party data is the document's, and whoever reads and compares them sees what differs.

The document lies beside the project where it is developed; without it there is nothing to compare.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.local.settings import ROOT
from tests.conformance import party_replay
from tests.conformance.party_document import read

DOCUMENT = ROOT.parent / "shared/api/orders-api.md"
PRINTED = """\
# Things API

## POST /api/v1/things/

Make a thing.

**Auth:** Required

### Request Body

| Field | Type | Required | Description |
|---|---|---|---|
| `name` | str \\| null | No | What it is called |

### Request Example

```json
{"name": "a", "amount": 150.00}
```

### Response Example

```json
{"id": "11223344-5566-7788-99aa-bbccddeeff00", "amount": 150.00, "at": "2026-02-27T10:30:00Z"}
```

### Errors

| Status | Code | Description |
|---|---|---|
| 401 | `not_authenticated` | Missing or invalid access token |

---

## GET /api/v1/things/

List things.

### Request Example

```
GET /api/v1/things/?limit=10
```

### Response Example

```json
{"items": []}
```

### Errors

| Status | Code | Description |
|---|---|---|
| 422 | `validation_error` | Invalid limit |
"""
IDS = {party_replay.ORDER: "an-id-of-here"}

if DOCUMENT.exists():

    def test_the_data_is_what_the_document_prints(party: list[dict[str, Any]]) -> None:
        assert party == read(DOCUMENT.read_text(encoding="utf-8"))


def test_a_document_is_read_whole_and_in_its_order() -> None:
    first, second = read(PRINTED)

    assert (first["method"], first["path"]) == ("POST", "/api/v1/things/")
    assert first["says"] == ["Make a thing.", "**Auth:** Required"]
    assert first["fields"] == {
        "Request Body": [["`name`", "str | null", "No", "What it is called"]]
    }
    assert first["request"] == '{"name": "a", "amount": 150.00}'
    assert first["errors"] == [[401, "not_authenticated", "Missing or invalid access token"]]
    assert (second["method"], second["request"]) == ("GET", "GET /api/v1/things/?limit=10")
    assert second["response"] == '{"items": []}'


@pytest.mark.parametrize(
    ("printed", "other"),
    [
        ("150.00", "150.0"),
        ("| No |", "| Yes |"),
        ("`not_authenticated`", "`unauthorized`"),
        ("| 422 |", "| 400 |"),
        ("## GET", "## POST"),
        ("**Auth:** Required", "**Auth:** None"),
    ],
)
def test_a_document_that_differs_is_seen(printed: str, other: str) -> None:
    assert read(PRINTED) != read(PRINTED.replace(printed, other))


def answer(**changes: str) -> str:
    fields = {"id": '"an-id-of-here"', "amount": "150.00", "at": '"2031-12-31T23:59:59Z"'}
    return "{" + ", ".join(f'"{name}": {text}' for name, text in (fields | changes).items()) + "}"


def test_an_answer_as_printed_is_one_whatever_its_ids_and_instants() -> None:
    assert party_replay.said(read(PRINTED)[0]["response"], answer(), ids=IDS) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"amount": "150.0"}, "answer.amount"),
        ({"amount": "150"}, "answer.amount"),
        ({"amount": '"150.00"'}, "answer.amount"),
        ({"id": '"another"'}, "answer.id"),
        ({"at": '"2026-02-27T10:30:00.000Z"'}, "answer.at"),
        ({"at": "null"}, "answer.at"),
        ({"more": "1"}, "answer.more is not in the document"),
    ],
)
def test_an_answer_that_differs_is_told_where(changes: dict[str, str], found: str) -> None:
    (told,) = party_replay.said(read(PRINTED)[0]["response"], answer(**changes), ids=IDS)

    assert found in told


def test_fields_in_another_order_are_told() -> None:
    turned = json.dumps(dict(reversed(list(json.loads(answer()).items())))).replace(
        "150.0", "150.00"
    )

    (told,) = party_replay.said(read(PRINTED)[0]["response"], turned, ids=IDS)

    assert "another order: at, amount, id" in told


def test_the_data_lies_beside_this_file(party: list[dict[str, Any]]) -> None:
    text = Path(__file__).with_name("party.json").read_text(encoding="utf-8")

    assert len(party) == len(json.loads(text)) == 8
