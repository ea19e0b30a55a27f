"""The data is the document's, and whoever reads and compares them sees what differs.

The document lies beside the project where it is developed; without it there is nothing to compare.
"""

import copy
from typing import Any

import pytest

from deploy.local.settings import ROOT
from tests.conformance.guide import read
from tests.conformance.replay import differences

DOCUMENT = ROOT.parent / "shared/api/orders-guide.md"
PRINTED = """\
## First Thing

```bash
POST /api/v1/things/ord_VxaM.../do
Idempotency-Key: <uuid-v4>

{
  "amount": "80.00"
}
```

**Response:**
```json
{"success": true, "data": {"id": "ord_VxaM...", "escrow": {"id": "esc_abc123"}, "count": 1}}
```

| # | Transaction | Signer |
|---|-------------|--------|
| 1 | `doIt` | Buyer's wallet |

## Second Thing

Valid `reason` values: `A`, `B`

```bash
GET /api/v1/things
```

## Order Events

| Event | When |
|-------|------|
| `order.created` | `POST /orders` |
"""

if DOCUMENT.exists():

    def test_the_data_is_what_the_document_prints(data: dict[str, Any]) -> None:
        assert data == read(DOCUMENT.read_text(encoding="utf-8"))


def test_a_guide_is_read_whole_and_in_its_order() -> None:
    found = read(PRINTED)

    assert [example["title"] for example in found["examples"]] == ["First Thing", "Second Thing"]
    first, second = found["examples"]
    assert first["request"] == {
        "method": "POST",
        "path": "/api/v1/things/ord_VxaM.../do",
        "headers": {"Idempotency-Key": "<uuid-v4>"},
        "body": {"amount": "80.00"},
    }
    assert first["response"]["data"]["count"] == 1
    assert second["response"] is None
    assert found["transactions"] == {"First Thing": [["doIt", "Buyer's wallet"]]}
    assert found["values"] == {"reason": ["A", "B"]}
    assert found["events"] == {"order.created": "`POST /orders`"}


def test_an_example_that_is_missing_or_differs_is_seen() -> None:
    without = PRINTED[: PRINTED.index("## Second")] + PRINTED[PRINTED.index("## Order Events") :]

    assert read(PRINTED) != read(without)
    assert read(PRINTED) != read(PRINTED.replace("80.00", "80.01"))
    assert read(PRINTED) != read(PRINTED.replace("esc_abc123", "esc_abc124"))
    assert read(PRINTED) != read(PRINTED.replace("/things\n", "/thing\n"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("id", "ord_short", "answer.data.id is 'ord_short', not like 'ord_VxaM...'"),
        ("id", None, "answer.data.id is None, not like 'ord_VxaM...'"),
        ("at", "2026-02-18T10:00:00Z", "not like '2026-02-18T10:00:00.000Z'"),
        ("status", "CLOSED", "answer.data.status is 'CLOSED', not 'OPEN'"),
        ("flag", 1, "answer.data.flag is 1, not True"),
        ("more", "x", "answer.data.more is not in the document"),
    ],
)
def test_an_answer_that_differs_is_told_where(name: str, value: object, said: str) -> None:
    printed = {
        "data": {
            "id": "ord_VxaM...",
            "at": "2026-02-18T10:00:00.000Z",
            "status": "OPEN",
            "flag": True,
        }
    }
    answered = copy.deepcopy(printed)
    answered["data"] |= {"id": f"ord_{'a' * 22}", "at": "2031-12-31T23:59:59.999Z"}
    assert list(differences(printed, answered)) == []

    answered["data"] |= {name: value}

    (found,) = differences(printed, answered)
    assert said in found


def test_a_field_that_is_not_answered_is_told() -> None:
    assert list(differences({"a": {"b": 1}}, {"a": {}})) == ["answer.a.b is missing"]
