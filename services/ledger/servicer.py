"""The RPCs of the ledger: decode, call one use case, encode. ACCESS says who may call each."""

import uuid
from typing import Any

import grpc
from orchestrator.ledger.v1 import corrections_pb2, ledger_pb2, ledger_pb2_grpc

from chassis import identity
from chassis.idempotency import request_key
from chassis.identity import MARKETPLACE, PEOPLE, REPLAYED_KEY, STAFF, allow
from chassis.server import Binding
from chassis.wire import number_from_token, page_size
from kernel.ids import MarketplaceId
from services.ledger import wire
from services.ledger.batch import Posting
from services.ledger.books import wire as books_wire
from services.ledger.books.service import Books
from services.ledger.corrections import wire as corrections_wire
from services.ledger.corrections.service import Corrections
from services.ledger.deposits import wire as deposits_wire
from services.ledger.deposits.service import Deposits
from services.ledger.service import LedgerService

Context = grpc.aio.ServicerContext[Any, Any]
OPERATOR = "operator"
# Marketplaces and people. The methods check that a person reads only their own account.
WITH_PEOPLE = MARKETPLACE | PEOPLE

ACCESS = {
    "OpenAccount": allow("orders"),
    # The batcher carries out transfers in its own tasks, so a caller may be cancelled.
    "PostTransfers": allow("orders", hands_over=True),
    "GetBalance": allow("gateway", "orders", OPERATOR, scope="read", roles=WITH_PEOPLE),
    "ListEntries": allow("gateway", "orders", OPERATOR, scope="read", roles=WITH_PEOPLE),
    "CheckTransfers": allow("orders"),
    "ListTransfers": allow("orders", OPERATOR, scope="read"),
    "GetTransfer": allow("orders", OPERATOR, scope="read"),
    "ListAccounts": allow("orders", OPERATOR),
    "GetPlatformBalance": allow("gateway", OPERATOR, scope="admin"),
    "ListPlatformEntries": allow("gateway", OPERATOR, scope="admin"),
    "CheckInvariants": allow(OPERATOR),
    "ListSuspense": allow("orders", OPERATOR),
    "CreditSuspense": allow(OPERATOR),
    "ListOpenHolds": allow(OPERATOR),
    "ProposeCorrection": allow(OPERATOR),
    "DecideCorrection": allow(OPERATOR),
    "ListCorrections": allow(OPERATOR),
    "GetBooks": allow("gateway", OPERATOR, scope="read", roles=MARKETPLACE | STAFF),
}


def binding(
    service: LedgerService, corrections: Corrections, deposits: Deposits, books: Books
) -> Binding:
    """Return the servicer with its allow-list."""
    return Binding(
        servicer=LedgerServicer(service, corrections, deposits, books),
        add=ledger_pb2_grpc.add_LedgerServiceServicer_to_server,
        descriptor=ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"],
        access=ACCESS,
    )


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The RPCs of the ledger. The contract lists their refusals."""

    def __init__(
        self,
        service: LedgerService,
        corrections: Corrections,
        deposits: Deposits,
        books: Books,
    ) -> None:
        self._service = service
        self._corrections = corrections
        self._deposits = deposits
        self._books = books

    async def OpenAccount(
        self, request: ledger_pb2.OpenAccountRequest, context: Context
    ) -> ledger_pb2.Account:
        answer = await self._service.open_account(
            key=request_key(request),
            user_id=wire.user_id(request.user_id),
            public_id=request.public_id,
            asset=request.asset,
        )
        _tell_replayed(context, replayed=answer.replayed)
        return ledger_pb2.Account.FromString(answer.body)

    async def PostTransfers(
        self, request: ledger_pb2.PostTransfersRequest, context: Context
    ) -> ledger_pb2.PostTransfersResponse:
        is_kept = bool(request.request_id)
        posted = await self._service.post_transfers(
            Posting(
                marketplace_id=_marketplace(),
                transfers=wire.new_transfers(request),
                correlation_id=identity.current_request_id(),
                key=request_key(request) if is_kept else None,
                encode=wire.posted_bytes if is_kept else None,
            )
        )
        if not is_kept:
            return wire.posted(posted.results)
        _tell_replayed(context, replayed=posted.replayed)
        return ledger_pb2.PostTransfersResponse.FromString(posted.body)

    async def CheckTransfers(
        self, request: ledger_pb2.CheckTransfersRequest, context: Context
    ) -> ledger_pb2.CheckTransfersResponse:
        posting = Posting(marketplace_id=_marketplace(), transfers=wire.new_transfers(request))
        found = await self._service.check_transfers(
            posting,
            asset=request.asset,
            user_ids=[wire.user_id(one) for one in request.user_ids],
        )
        return wire.checked(found)

    async def GetBalance(
        self, request: ledger_pb2.GetBalanceRequest, context: Context
    ) -> ledger_pb2.Account:
        identity.require_self(request.user_id)
        found = await self._service.get_balance(
            marketplace_id=_marketplace(),
            user_id=wire.user_id(request.user_id),
            asset=request.asset,
        )
        return wire.account(found)

    async def ListEntries(
        self, request: ledger_pb2.ListEntriesRequest, context: Context
    ) -> ledger_pb2.ListEntriesResponse:
        identity.require_self(request.user_id)
        size = page_size(request.page)
        found = await self._service.list_entries(
            marketplace_id=_marketplace(),
            user_id=wire.user_id(request.user_id),
            asset=request.asset,
            before=number_from_token(request.page.page_token),
            size=size,
        )
        return wire.entries(found, size=size)

    async def ListTransfers(
        self, request: ledger_pb2.ListTransfersRequest, context: Context
    ) -> ledger_pb2.ListTransfersResponse:
        found = await self._service.list_transfers(
            marketplace_id=_marketplace(), order_id=wire.order_id(request.order_id)
        )
        return ledger_pb2.ListTransfersResponse(transfers=[wire.transfer(one) for one in found])

    async def GetTransfer(
        self, request: ledger_pb2.GetTransferRequest, context: Context
    ) -> ledger_pb2.Transfer:
        found = await self._service.get_transfer(
            marketplace_id=_marketplace(), transfer_id=wire.transfer_id(request.transfer_id)
        )
        return wire.transfer(found)

    async def ListAccounts(
        self, request: ledger_pb2.ListAccountsRequest, context: Context
    ) -> ledger_pb2.ListAccountsResponse:
        if request.accounts:
            named = await self._service.named_accounts(
                marketplace_id=_marketplace(), names=list(request.accounts)
            )
            return wire.accounts(named, size=len(named))
        size = page_size(request.page)
        found = await self._service.list_accounts(
            marketplace_id=_marketplace(),
            only_open=request.only_open,
            after=number_from_token(request.page.page_token) or 0,
            size=size,
        )
        return wire.accounts(found, size=size)

    async def GetPlatformBalance(
        self, request: ledger_pb2.GetPlatformBalanceRequest, context: Context
    ) -> ledger_pb2.PlatformBalance:
        found = await self._service.platform_money(
            marketplace_id=_marketplace(), asset=request.asset
        )
        return wire.platform_balance(found)

    async def ListPlatformEntries(
        self, request: ledger_pb2.ListPlatformEntriesRequest, context: Context
    ) -> ledger_pb2.ListPlatformEntriesResponse:
        size = page_size(request.page)
        found = await self._service.platform_transfers(
            marketplace_id=_marketplace(),
            asset=request.asset,
            before=number_from_token(request.page.page_token),
            size=size,
        )
        return wire.platform_entries(found, size=size)

    async def CheckInvariants(
        self, request: ledger_pb2.CheckInvariantsRequest, context: Context
    ) -> ledger_pb2.CheckInvariantsResponse:
        sees_all = identity.current().caller == OPERATOR
        found = await self._service.check_invariants(
            marketplace_id=None if sees_all else _marketplace()
        )
        return wire.invariants(found)

    async def GetBooks(
        self, request: ledger_pb2.GetBooksRequest, context: Context
    ) -> ledger_pb2.Books:
        del request, context
        known, is_checking = await self._books.read(_marketplace())
        return books_wire.books(known, is_checking=is_checking)

    async def ListSuspense(
        self, request: ledger_pb2.ListSuspenseRequest, context: Context
    ) -> ledger_pb2.ListSuspenseResponse:
        size = page_size(request.page)
        found = await self._deposits.list_suspense(
            marketplace_id=_marketplace(),
            only_open=request.only_open,
            after=number_from_token(request.page.page_token) or 0,
            size=size,
        )
        return deposits_wire.suspense(found, size=size)

    async def CreditSuspense(
        self, request: ledger_pb2.CreditSuspenseRequest, context: Context
    ) -> ledger_pb2.SuspendedDeposit:
        found = await self._deposits.credit_suspense(
            marketplace_id=_marketplace(),
            transfer_id=wire.transfer_id(request.transfer_id),
            reason=request.reason,
        )
        return deposits_wire.suspended(found)

    async def ListOpenHolds(
        self, request: ledger_pb2.ListOpenHoldsRequest, context: Context
    ) -> ledger_pb2.ListOpenHoldsResponse:
        size = page_size(request.page)
        found = await self._service.list_open_holds(
            marketplace_id=_marketplace(),
            after=number_from_token(request.page.page_token) or 0,
            size=size,
        )
        return wire.open_holds(found, size=size)

    async def ProposeCorrection(
        self, request: corrections_pb2.ProposeCorrectionRequest, context: Context
    ) -> corrections_pb2.Correction:
        answer = await self._corrections.propose(
            key=request_key(request),
            draft=corrections_wire.draft(request),
            by=identity.current_operator(),
        )
        _tell_replayed(context, replayed=answer.replayed)
        return corrections_pb2.Correction.FromString(answer.body)

    async def DecideCorrection(
        self, request: corrections_pb2.DecideCorrectionRequest, context: Context
    ) -> corrections_pb2.Correction:
        found = await self._corrections.decide(
            marketplace_id=_marketplace(),
            correction_id=uuid.UUID(request.correction_id),
            verdict=corrections_wire.verdict(request),
            by=identity.current_operator(),
        )
        return corrections_wire.correction(found)

    async def ListCorrections(
        self, request: corrections_pb2.ListCorrectionsRequest, context: Context
    ) -> corrections_pb2.ListCorrectionsResponse:
        size = page_size(request.page)
        found = await self._corrections.page(
            marketplace_id=_marketplace(),
            only_open=request.only_open,
            after=number_from_token(request.page.page_token) or 0,
            size=size,
        )
        return corrections_wire.corrections(found, size=size)


def _marketplace() -> MarketplaceId:
    return MarketplaceId(identity.current().marketplace_id)


def _tell_replayed(context: Context, *, replayed: bool) -> None:
    if replayed:
        context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
