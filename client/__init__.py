"""A client of both APIs: typed, blocking or for asyncio.

    from orchestrator.client import Marketplace

    with Marketplace("ohk_test_…", base_url="http://127.0.0.1:8080") as api:
        order = api.create_order(
            buyerId="usr_alice", sellerId="usr_bob", amount="80.00", title="Logo"
        )
        api.reserve_funds(order["id"])

Each operation of the OpenAPI documents is a method with its name. A change carries an idempotency
key and is sent again when no answer came, so it is done once. A list is read page by page while it
is iterated. A refusal raises the class of its code: `errors.APIError` is the base of all, and
`codes` has one for each code.
"""

from . import errors
from .events import Event
from .generated import codes
from .generated.marketplace import AsyncMarketplace, Marketplace
from .generated.party import AsyncParty, Party
from .transport import AsyncPages, Pages
from .webhooks import verified_webhook

__all__ = [
    "AsyncMarketplace",
    "AsyncPages",
    "AsyncParty",
    "Event",
    "Marketplace",
    "Pages",
    "Party",
    "codes",
    "errors",
    "verified_webhook",
]
