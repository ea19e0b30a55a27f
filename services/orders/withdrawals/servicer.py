"""The RPCs of withdrawals: decode, call one use case, encode. ACCESS says who may call each."""

import uuid
from typing import Any

import grpc
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import withdrawals_pb2

from chassis import deadline, identity
from chassis.idempotency import Answer, request_key
from chassis.identity import MARKETPLACE, PEOPLE, REPLAYED_KEY, allow
from chassis.wire import page_size, uuid_from_token
from kernel.errors import PermissionDenied
from services.orders.operations.commands import Request
from services.orders.order import parties
from services.orders.order.domain import Party
from services.orders.withdrawals import wire
from services.orders.withdrawals.redirects import NewRedirect, RedirectService
from services.orders.withdrawals.service import WithdrawalService

Context = grpc.aio.ServicerContext[Any, Any]
# How long a command waits if its caller names no time, and the part of the caller's deadline that
# is kept for sending the answer.
WAIT_SECONDS = 30.0
ANSWER_SECONDS = 0.3
# The scope that is required for the platform's money.
ADMIN = "admin"
# Marketplaces and people. The use cases check that a person uses only their own withdrawals.
WITH_PEOPLE = MARKETPLACE | PEOPLE
ACCESS = {
    "CreateWithdrawal": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "CommitWithdrawal": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "ApproveWithdrawal": allow("gateway", scope="write"),
    "CancelWithdrawal": allow("gateway", scope="write", roles=WITH_PEOPLE),
    # No people: a person could send an order's money anywhere.
    "RedirectPayout": allow("gateway", scope="write"),
    "GetWithdrawal": allow("gateway", "operator", scope="read", roles=WITH_PEOPLE),
    "ListWithdrawals": allow("gateway", "operator", scope="read", roles=WITH_PEOPLE),
}


class WithdrawalMethods:
    """The RPCs of withdrawals, a mixin of OrdersServicer."""

    _withdrawals: WithdrawalService
    _redirects: RedirectService

    async def CreateWithdrawal(
        self, request: withdrawals_pb2.CreateWithdrawalRequest, context: Context
    ) -> withdrawals_pb2.Withdrawal:
        if not _by_platform(request):
            parties.require_self(request.user, _user())
        answer = await self._withdrawals.create(_request(request), wire.new_withdrawal(request))
        return _answered(answer, context)

    async def CommitWithdrawal(
        self, request: withdrawals_pb2.CommitWithdrawalRequest, context: Context
    ) -> withdrawals_pb2.Withdrawal:
        answer = await self._withdrawals.commit(
            _request(request),
            withdrawal_id=uuid.UUID(request.withdrawal_id),
            user_id=_user(),
            by_platform=_by_platform(request),
        )
        return _answered(answer, context)

    async def ApproveWithdrawal(
        self, request: withdrawals_pb2.ApproveWithdrawalRequest, context: Context
    ) -> withdrawals_pb2.Withdrawal:
        answer = await self._withdrawals.approve(
            _request(request),
            withdrawal_id=uuid.UUID(request.withdrawal_id),
            by_platform=_by_platform(request),
        )
        return _answered(answer, context)

    async def CancelWithdrawal(
        self, request: withdrawals_pb2.CancelWithdrawalRequest, context: Context
    ) -> withdrawals_pb2.Withdrawal:
        answer = await self._withdrawals.cancel(
            request_key(request),
            withdrawal_id=uuid.UUID(request.withdrawal_id),
            user_id=_user(),
            by_platform=_by_platform(request),
        )
        return _answered(answer, context)

    async def RedirectPayout(
        self, request: withdrawals_pb2.RedirectPayoutRequest, context: Context
    ) -> withdrawals_pb2.PayoutRedirect:
        new = NewRedirect(
            order_id=uuid.UUID(request.order_id),
            party=Party(common_pb2.Party.Name(request.party).removeprefix("PARTY_")),
            address=request.address,
            why=request.why,
        )
        answer = await self._redirects.redirect(_request(request), new)
        if answer.replayed:
            context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
        return withdrawals_pb2.PayoutRedirect.FromString(answer.body)

    async def GetWithdrawal(
        self, request: withdrawals_pb2.GetWithdrawalRequest, context: Context
    ) -> withdrawals_pb2.Withdrawal:
        del context
        found = await self._withdrawals.get(
            marketplace_id=identity.current().marketplace_id,
            withdrawal_id=uuid.UUID(request.withdrawal_id),
            user_id=_user(),
            by_platform=_by_platform(request),
        )
        return wire.withdrawal(found)

    async def ListWithdrawals(
        self, request: withdrawals_pb2.ListWithdrawalsRequest, context: Context
    ) -> withdrawals_pb2.ListWithdrawalsResponse:
        del context
        if not (by_platform := _by_platform(request)):
            parties.require_self(request.user, _user())
        limit = page_size(request.page)
        found = await self._withdrawals.page(
            marketplace_id=identity.current().marketplace_id,
            user=None if by_platform else request.user,
            filters=wire.filters(request),
            after=uuid_from_token(request.page.page_token),
            limit=limit + 1,
        )
        return wire.page(found, limit)


def _user() -> uuid.UUID | None:
    """Return the person who calls; None: a marketplace, which acts for all its users."""
    return identity.current().user_id


def _by_platform(request: Any) -> bool:
    """Tell whether a request is about the platform's own money.

    Raises: PermissionDenied: INSUFFICIENT_SCOPE: the caller is a person, or lacks the scope.
    """
    who = identity.current()
    if request.by_platform and (who.user_id is not None or ADMIN not in who.scopes):
        raise PermissionDenied(
            f"The platform's money needs the scope '{ADMIN}'",
            reason="INSUFFICIENT_SCOPE",
            details={"required_scope": ADMIN, "current_scopes": sorted(who.scopes)},
        )
    return bool(request.by_platform)


def _request(request: Any) -> Request:
    left = deadline.remaining(at_most=WAIT_SECONDS + ANSWER_SECONDS) - ANSWER_SECONDS
    wanted = float(request.wait_seconds) if request.HasField("wait_seconds") else left
    return Request(
        marketplace_id=identity.current().marketplace_id,
        key=request_key(request),
        wait_seconds=max(min(left, wanted), 0.0),
    )


def _answered(answer: Answer, context: Context) -> withdrawals_pb2.Withdrawal:
    if answer.replayed:
        context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
    return withdrawals_pb2.Withdrawal.FromString(answer.body)
