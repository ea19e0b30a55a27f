"""The marketplace API: its routes, its document, and how it authenticates, parses and refuses."""

from typing import Any

from orchestrator.orders.v1 import orders_pb2
from starlette.routing import BaseRoute

from gateway import asyncapi, body, documentation, errors, pages
from gateway.auth import (
    Credential,
    CredentialMissing,
    CredentialNotValid,
    KeyAuthenticator,
    ScopeMissing,
    Staff,
)
from gateway.call import Call, HeaderNotValid
from gateway.documentation import About
from gateway.errors import Refusal
from gateway.limits import RateLimiter
from gateway.marketplace import (
    actions,
    api_keys,
    audit,
    balances,
    books,
    disputes,
    events,
    exports,
    health,
    marketplaces,
    milestones,
    offers,
    orders,
    platform,
    previews,
    redirects,
    requests,
    talk,
    users,
    webhooks,
    withdrawals,
)
from gateway.marketplace.shapes import Failure, Success
from gateway.routing import ANY, Operation
from kernel.errors import DomainError

RESOURCES = (
    orders,
    actions,
    milestones,
    offers,
    redirects,
    users,
    balances,
    withdrawals,
    platform,
    books,
    disputes,
    talk,
    exports,
    events,
    webhooks,
    api_keys,
    audit,
    requests,
    marketplaces,
    health,
)
OPERATIONS: tuple[Operation, ...] = tuple(
    operation for resource in RESOURCES for operation in resource.routes.operations
)
ABOUT = About(
    title="Orchestrator: marketplace API",
    description="Orders, escrow, balances and disputes of a marketplace. Amounts are decimal "
    "strings; every change honours `Idempotency-Key`.",
    schemes={
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key: `Authorization: Bearer ohk_live_…`",
        },
        "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    },
    support_scheme={
        "supportToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A JWT with the role `support`, of an issuer that is configured for the "
            "marketplace.",
        },
    },
    tags={
        "Orders": "Create an order, read it, and take it from reservation to its end.",
        "Users": "The people and businesses of the marketplace: balances, wallets, deposits.",
        "Withdrawals": "Payments of users' money to accounts outside.",
        "Platform": "The marketplace's own money: fees earned and borne, and their withdrawal.",
        "Books": "Whether the marketplace's books are right, and what is stuck.",
        "Disputes": "The cases of support: evidence, assignment, decisions.",
        "Exports": "Lists as CSV files, of any length.",
        "Events": "A live stream of events, with replay.",
        "Webhooks": "Events, signed and sent to URLs of the marketplace.",
        "Marketplace": "The settings of the marketplace, and the clock of a test marketplace.",
        "Audit": "Who changed what, when and from where.",
        "Requests": "What was asked with the marketplace's credentials, and how it was answered.",
        "Access": "API keys, and the key of a request.",
        "Health": "Whether the gateway runs, and whether each part is ready.",
    },
    failure=Failure,
    preview=Success[previews.Preview],
)
DOCS_PATH, REDOC_PATH, OPENAPI_PATH = "/docs", "/redoc", "/openapi.json"


class MarketplaceView:
    """Accepts API keys and tokens of support. Answers in envelopes; 400 for an invalid request."""

    def __init__(self, *, keys: KeyAuthenticator, staff: Staff, limiter: RateLimiter) -> None:
        self._keys = keys
        self._staff = staff
        self._limiter = limiter

    async def admit(self, one: Call, operation: Operation) -> Credential:
        """Check a request's credential, rate limit and scope.

        Raises: HeaderNotValid; CredentialMissing; CredentialNotValid; Unauthenticated;
            TooManyRequests; ScopeMissing; Unavailable.
        """
        authorization, key = one.headers.get("authorization"), one.headers.get("x-api-key")
        if authorization is not None and key is not None:
            raise HeaderNotValid(
                "Send one credential: Authorization or x-api-key",
                fields=[("Authorization", "is sent beside x-api-key")],
            )
        if key is None:
            if authorization is None:
                raise CredentialMissing("An API key is required: Authorization: Bearer ohk_live_…")
            scheme, _, key = authorization.partition(" ")
            if scheme.lower() != "bearer" or not key.strip():
                raise CredentialNotValid("Authorization must be: Bearer ohk_live_…")
            if self._staff.seems_support(key.strip()):
                return await self._admit_support(one, key.strip(), operation)
        credential = one.credential = await self._keys.authenticate(key.strip())
        one.limit = self._limiter.limit
        one.remaining = self._limiter.take(credential.account)
        if operation.scope != ANY:
            credential.require(operation.scope)
        return credential

    async def _admit_support(self, one: Call, token: str, operation: Operation) -> Credential:
        """Check a support token. It is valid only for routes that admit people of support.

        Raises: Unauthenticated; TooManyRequests; ScopeMissing; Unavailable.
        """
        credential = one.credential = await self._staff.credential(token)
        one.limit = self._limiter.limit
        one.remaining = self._limiter.take(credential.account)
        if not operation.support:
            raise ScopeMissing(
                "The role support may not do this", details={"required_scope": operation.scope}
            )
        return credential

    def parse(self, raw: bytes) -> Any:
        """Parse a JSON body; numbers stay as they were written. Raises: BodyNotValid."""
        return body.parse(raw, is_exact=True)

    def refuse(self, error: DomainError, *, request_id: str) -> Refusal:
        """Return a refusal in the envelope."""
        return errors.marketplace_refusal(error, request_id=request_id)

    def preview(self, message: orders_pb2.Preview) -> Any:
        """Return a preview as this API shows it."""
        return previews.preview(message)


def document() -> dict[str, Any]:
    """Return the OpenAPI document of this view."""
    return documentation.document(ABOUT, OPERATIONS)


def page_routes() -> list[BaseRoute]:
    """Return the routes of the documents, and of the pages that show them."""
    return [pages.document_route(asyncapi.PATH, asyncapi.document), *_reference()]


def _reference() -> list[BaseRoute]:
    return pages.reference(
        title=ABOUT.title,
        document=document,
        docs_path=DOCS_PATH,
        redoc_path=REDOC_PATH,
        openapi_path=OPENAPI_PATH,
        links={"Home": pages.INDEX, "Party API": "/docs/party"},
    )
