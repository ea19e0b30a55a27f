"""The party API: its routes, its document, and how it authenticates, parses and refuses."""

from dataclasses import replace
from typing import Any

from orchestrator.orders.v1 import orders_pb2
from starlette.routing import BaseRoute

from gateway import body, documentation, errors, pages
from gateway.auth import Credential, CredentialMissing
from gateway.call import Call
from gateway.documentation import About
from gateway.errors import Refusal
from gateway.limits import RateLimiter
from gateway.party import (
    account,
    actions,
    balances,
    disputes,
    messages,
    offers,
    orders,
    previews,
    receipts,
    withdrawals,
    words,
)
from gateway.party.claims import TokenNotValid
from gateway.party.people import People
from gateway.party.shapes import Failure
from gateway.party.tokens import Tokens
from gateway.routing import Operation
from kernel.errors import DomainError

RESOURCES = (orders, actions, offers, disputes, messages, receipts, account, balances, withdrawals)
OPERATIONS: tuple[Operation, ...] = tuple(
    operation for resource in RESOURCES for operation in resource.routes.operations
)
ABOUT = About(
    title="Orchestrator: party API",
    description="Orders and money, for the people and businesses in them. Amounts are JSON "
    "numbers with at most two decimals; every change honours `Idempotency-Key`. "
    "`/api/v1/orders` is the same as `/api/v1/orders/`.",
    schemes={
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A JWT of an issuer that is configured for the marketplace.",
        },
    },
    tags={
        "Orders": "Orders that the caller buys or fulfils, and actions on them.",
        "Disputes": "The dispute of an order.",
        "Receipts": "Receipts of completed orders.",
        "Balance": "The caller's money: what they can spend, their statement, where they pay in.",
        "Withdrawals": "Payments of the caller's money to accounts outside.",
        "Account": "The person of a token, and the events of their orders and balance.",
    },
    failure=Failure,
    preview=previews.Preview,
    is_party=True,
)
DOCS_PATH, REDOC_PATH, OPENAPI_PATH = "/docs/party", "/redoc/party", "/party/openapi.json"


class PartyView:
    """Accepts access tokens. Answers without an envelope; 422 for an invalid request."""

    def __init__(self, *, tokens: Tokens, people: People, limiter: RateLimiter) -> None:
        self._tokens = tokens
        self._people = people
        self._limiter = limiter

    async def admit(self, one: Call, operation: Operation) -> Credential:
        """Check a request's token and rate limit. A new person is registered.

        Raises: CredentialMissing; TokenNotValid; TooManyRequests; ScopeMissing; Unavailable.
        """
        del operation  # the services decide what each side of an order may do
        authorization = one.headers.get("authorization")
        if authorization is None:
            raise CredentialMissing("An access token is required: Authorization: Bearer <JWT>")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenNotValid("Authorization must be: Bearer <JWT>")
        bearer = await self._tokens.verify(token.strip())
        one.limit = self._limiter.limit
        one.remaining = self._limiter.take(f"{bearer.issuer.issuer}:{bearer.subject}")
        return await self._people.credential(bearer, request_id=one.request_id)

    def parse(self, raw: bytes) -> Any:
        """Parse a JSON body; numbers stay as they were written. Raises: BodyNotValid."""
        return body.parse(raw, is_exact=True)

    def refuse(self, error: DomainError, *, request_id: str) -> Refusal:
        """Return a refusal in the party API's words."""
        refusal = errors.party_refusal(words.for_parties(error), request_id=request_id)
        return replace(refusal, headers=errors.headers(error))

    def preview(self, message: orders_pb2.Preview) -> Any:
        """Return a preview as this API shows it."""
        return previews.preview(message)


def document() -> dict[str, Any]:
    """Return the OpenAPI document of this view."""
    return documentation.document(ABOUT, OPERATIONS)


def page_routes() -> list[BaseRoute]:
    """Return the routes of the document and of the pages that show it."""
    return pages.reference(
        title=ABOUT.title,
        document=document,
        docs_path=DOCS_PATH,
        redoc_path=REDOC_PATH,
        openapi_path=OPENAPI_PATH,
        links={"Home": pages.INDEX, "Marketplace API": "/docs"},
    )
