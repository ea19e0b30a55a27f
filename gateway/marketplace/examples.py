"""Bodies that succeed when they are sent as they stand, for the OpenAPI document and its page.

They tell one story: two users are registered, one orders from the other for 80.00, and each action
is asked for in a state that allows it. By operation, then by name.
"""

from collections.abc import Mapping
from typing import Any

Examples = Mapping[str, Mapping[str, Any]]

REGISTER_USER: Examples = {
    "buyer": {"externalUserId": "alice", "id": "usr_alice", "type": "BUYER"},
    "seller": {"externalUserId": "bob", "id": "usr_bob", "type": "SELLER"},
}
CREDIT_USER: Examples = {
    "credit": {"amount": "5.00", "reference": "welcome-alice", "description": "Welcome"},
}
CREATE_ORDER: Examples = {
    "order": {
        "buyerId": "usr_alice",
        "sellerId": "usr_bob",
        "amount": "80.00",
        "title": "Logo design",
        "description": "A logo for a bakery",
    },
    "milestones": {
        "buyerId": "usr_alice",
        "sellerId": "usr_bob",
        "amount": "80.00",
        "title": "Logo design",
        "milestones": [
            {"ref": "draft", "title": "Three drafts", "amount": "30.00"},
            {"ref": "final", "title": "The final files", "amount": "50.00"},
        ],
        "metadata": {"cart": 1041},
    },
}
# Of an action that needs no more than its path.
ACTION: Examples = {"amount": {"amount": "80.00"}}
CANCEL_ORDER: Examples = {"cancel": {"canceledBy": "BUYER", "reason": "Ordered by mistake"}}
RELEASE_FUNDS: Examples = {"release": {"requestedBy": "BUYER", "reason": "The work is accepted"}}
REFUND_ORDER: Examples = {"refund": {"requestedBy": "SELLER", "reason": "Cannot deliver"}}
OPEN_DISPUTE: Examples = {
    "dispute": {
        "openedBy": "BUYER",
        "reason": "QUALITY_ISSUE",
        "description": "The files cannot be opened",
        "evidence": ["https://files.example/alice/screenshot.png"],
    }
}
ASSIGN_DISPUTE: Examples = {"agent": {"agentId": "agent-7", "notes": "Knows both sides"}}
ADD_EVIDENCE: Examples = {"evidence": {"evidence": ["https://files.example/bob/delivery.png"]}}
RESOLVE_DISPUTE: Examples = {
    "release": {"decision": "FULL_RELEASE", "note": "The work was delivered as agreed"},
    "refund": {"decision": "FULL_REFUND", "note": "Nothing was delivered"},
    "split": {
        "decision": "SPLIT",
        "releaseAmount": "50.00",
        "refundAmount": "30.00",
        "note": "The drafts were never delivered",
    },
}
CREATE_KEY: Examples = {"backend": {"scopes": ["read", "write"], "name": "Shop backend"}}
