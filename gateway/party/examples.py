"""Bodies that succeed when they are sent as they stand, for the OpenAPI document and its page.

The business is known to the marketplace: it was registered, or has used a token. By operation,
then by name.
"""

from collections.abc import Mapping
from typing import Any

Examples = Mapping[str, Mapping[str, Any]]

CREATE_ORDER: Examples = {
    "order": {
        "business_id": "b2c3d4e5-f6a7-8901-bcde-f12345678901",
        "amount": 150.00,
        "currency": "USD",
        "contract_terms": {"delivery_days": 3, "revisions": 2},
    }
}
# Of an action that needs no more than its path.
ACTION: Examples = {"nothing": {}}
DELIVER_ORDER: Examples = {
    "delivery": {
        "delivery_notes": "The report, with all figures",
        "deliverable_url": "https://files.example/report.pdf",
    }
}
OPEN_DISPUTE: Examples = {
    "dispute": {
        "reason": "The report has none of the agreed figures",
        "evidence": ["https://files.example/missing.png"],
    }
}
ADD_EVIDENCE: Examples = {"evidence": {"evidence": ["https://files.example/contract.pdf"]}}
