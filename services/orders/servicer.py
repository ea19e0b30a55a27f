"""OrdersServicer: decode, call one use case, encode. It contains no business rule."""

import uuid
from collections.abc import Callable
from typing import Any

import grpc
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2, orders_pb2_grpc

from chassis.idempotency import request_key
from chassis.identity import MARKETPLACE, PEOPLE, STAFF, allow
from chassis.wire import page_size
from services.orders import calls, lists, wire
from services.orders.deadlines import servicer as deadlines_servicer
from services.orders.deadlines.chosen import Chosen
from services.orders.deadlines.servicer import MarketplaceMethods
from services.orders.funds.credits import CreditService, NewCredit
from services.orders.funds.holds import Holds
from services.orders.offers import servicer as offers_servicer
from services.orders.offers.service import OfferService
from services.orders.offers.servicer import OfferMethods
from services.orders.order import parties
from services.orders.order.domain import Decision, DisputeReason
from services.orders.people.registry import UserRegistry
from services.orders.people.users import UserType
from services.orders.previews import servicer as previews_servicer
from services.orders.previews.servicer import PreviewMethods, Rehearsal
from services.orders.queries import OrderQueries
from services.orders.reconciliation.reconciler import Reconciler
from services.orders.service import OrderService
from services.orders.withdrawals import servicer as withdrawals_servicer
from services.orders.withdrawals.redirects import RedirectService
from services.orders.withdrawals.service import WithdrawalService
from services.orders.withdrawals.servicer import WithdrawalMethods

Context = grpc.aio.ServicerContext[Any, Any]

# Marketplaces and people. The method or its use case checks that a person is a side of the order,
# or asks for their own data (order/parties.py).
WITH_PEOPLE = MARKETPLACE | PEOPLE
# Marketplaces and people of support, who read their marketplace's orders and decide its disputes.
WITH_STAFF = MARKETPLACE | STAFF
ACCESS = {
    "RegisterUser": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "GetUser": allow("gateway", "operator", scope="read", roles=WITH_PEOPLE),
    "ListUsers": allow("gateway", "operator", scope="read"),
    "CreateOrder": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "GetOrder": allow("gateway", "operator", scope="read", roles=WITH_PEOPLE | STAFF),
    "GetOrders": allow("gateway", "operator", scope="read", roles=WITH_STAFF),
    "ListOrders": allow("gateway", "operator", scope="read", roles=WITH_STAFF),
    "ListPartyOrders": allow("gateway", scope="read", roles=WITH_PEOPLE),
    "GetTimeline": allow("gateway", "operator", scope="read", roles=WITH_STAFF),
    "GetReceipt": allow("gateway", scope="read", roles=WITH_PEOPLE),
    "ReserveFunds": allow("gateway", scope="write"),
    "CreateEscrow": allow("gateway", scope="write"),
    "FundEscrow": allow("gateway", scope="write"),
    "CompleteMilestone": allow("gateway", scope="write"),
    "ReleaseFunds": allow("gateway", scope="write"),
    "CancelOrder": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "RefundOrder": allow("gateway", scope="write"),
    "OpenDispute": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "ResolveDispute": allow("gateway", scope="support", roles=WITH_STAFF),
    "DeliverOrder": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "ConfirmOrder": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "PayOrder": allow("gateway", scope="write", roles=WITH_PEOPLE),
    "CreditUser": allow("gateway", scope="admin"),
    "GiveBackHold": allow("operator"),
    "GetReconciliation": allow("gateway", "operator", scope="read", roles=WITH_STAFF),
    **deadlines_servicer.ACCESS,
    **offers_servicer.ACCESS,
    **previews_servicer.ACCESS,
    **withdrawals_servicer.ACCESS,
}


class OrdersServicer(
    MarketplaceMethods,
    OfferMethods,
    WithdrawalMethods,
    PreviewMethods,
    orders_pb2_grpc.OrdersServiceServicer,
):
    """The RPCs of orders. Offers, withdrawals, settings and previews have mixins in their rooms."""

    access = ACCESS

    def __init__(
        self,
        *,
        service: OrderService,
        queries: OrderQueries,
        registry: UserRegistry,
        crediting: CreditService,
        holds: Holds,
        reconciler: Reconciler,
        offers: OfferService,
        chosen: Chosen,
        withdrawals: WithdrawalService,
        redirects: RedirectService,
        rehearse: Callable[[], Rehearsal],
    ) -> None:
        self._service, self._queries, self._holds = service, queries, holds
        self._registry, self._crediting = registry, crediting
        self._reconciler, self._offers = reconciler, offers
        self._chosen, self._withdrawals = chosen, withdrawals
        self._rehearse, self._redirects = rehearse, redirects

    async def RegisterUser(
        self, request: orders_pb2.RegisterUserRequest, context: Context
    ) -> orders_pb2.User:
        parties.require_own_registration(
            calls.user(),
            external_user_id=request.external_user_id,
            new_id=request.user_id,
            public_id=request.public_id,
            email=request.email,
        )
        answer = await self._registry.register(
            request_key(request),
            external_user_id=request.external_user_id,
            public_id=request.public_id,
            email=request.email,
            user_type=wire.enum_from_proto(
                UserType, orders_pb2.UserType, request.type, field="type"
            ),
            user_id=uuid.UUID(request.user_id) if request.user_id else None,
        )
        calls.mark(context, answer)
        return orders_pb2.User.FromString(answer.body)

    async def GetUser(
        self, request: orders_pb2.GetUserRequest, context: Context
    ) -> orders_pb2.User:
        del context
        parties.require_self(request.user, calls.user())
        user = await self._registry.get(marketplace_id=calls.marketplace(), ref=request.user)
        return wire.user_to_proto(user)

    async def ListUsers(
        self, request: orders_pb2.ListUsersRequest, context: Context
    ) -> orders_pb2.ListUsersResponse:
        del context
        limit = page_size(request.page)
        found = await self._registry.page(
            marketplace_id=calls.marketplace(),
            external_user_id=request.external_user_id,
            email=request.email,
            after=lists.user_after(request),
            limit=limit + 1,
        )
        return lists.users(request, found, limit=limit)

    async def CreateOrder(
        self, request: orders_pb2.CreateOrderRequest, context: Context
    ) -> orders_pb2.Order:
        new = wire.new_order(request)
        parties.require_own_purchase(
            calls.user(),
            buyer=new.buyer,
            origin=new.origin,
            client_order_ref=new.client_order_ref,
        )
        answer = await self._queries.create_order(request_key(request), new)
        return calls.order(context, answer)

    async def GetOrder(
        self, request: orders_pb2.GetOrderRequest, context: Context
    ) -> orders_pb2.Order:
        del context
        order, operation = await self._queries.get_order(
            marketplace_id=calls.marketplace(), order_id=uuid.UUID(request.order_id)
        )
        parties.require_party(order, calls.reader())
        return wire.order_to_proto(order, operation)

    async def GetOrders(
        self, request: orders_pb2.GetOrdersRequest, context: Context
    ) -> orders_pb2.GetOrdersResponse:
        del context
        found = await self._queries.get_orders(
            marketplace_id=calls.marketplace(),
            order_ids=[uuid.UUID(text) for text in request.order_ids],
        )
        return orders_pb2.GetOrdersResponse(
            orders=[wire.order_to_proto(order, operation) for order, operation in found]
        )

    async def ListOrders(
        self, request: orders_pb2.ListOrdersRequest, context: Context
    ) -> orders_pb2.ListOrdersResponse:
        del context
        limit = page_size(request.page)
        found = await self._queries.list_orders(
            marketplace_id=calls.marketplace(),
            chosen=lists.chosen(request),
            sort=lists.sort(request),
            after=lists.after(request),
            limit=limit + 1,
        )
        return lists.page(request, found, limit=limit)

    async def ListPartyOrders(
        self, request: orders_pb2.ListPartyOrdersRequest, context: Context
    ) -> orders_pb2.ListPartyOrdersResponse:
        del context
        parties.require_self(request.user_id, calls.user())
        orders, total = await self._queries.list_party_orders(
            marketplace_id=calls.marketplace(),
            user_id=uuid.UUID(request.user_id),
            is_seller=request.role == common_pb2.PARTY_SELLER,
            status=request.status,
            offset=request.offset,
            limit=request.limit,
        )
        return orders_pb2.ListPartyOrdersResponse(
            orders=[wire.order_to_proto(order) for order in orders], total=total
        )

    async def GetTimeline(
        self, request: orders_pb2.GetTimelineRequest, context: Context
    ) -> orders_pb2.Timeline:
        del context
        items = await self._queries.timeline(
            marketplace_id=calls.marketplace(), order_id=uuid.UUID(request.order_id)
        )
        return wire.timeline_to_proto(items)

    async def GetReceipt(
        self, request: orders_pb2.GetReceiptRequest, context: Context
    ) -> orders_pb2.Receipt:
        del context
        receipt_id, order = await self._queries.receipt(
            marketplace_id=calls.marketplace(),
            order_id=uuid.UUID(request.order_id),
            reader=calls.reader(),
        )
        return wire.receipt_to_proto(receipt_id, order)

    async def ReserveFunds(
        self, request: orders_pb2.ReserveFundsRequest, context: Context
    ) -> orders_pb2.Order:
        order_id = uuid.UUID(request.order_id)
        answer = await self._service.reserve_funds(calls.request(request), order_id=order_id)
        return calls.order(context, answer)

    async def CreateEscrow(
        self, request: orders_pb2.CreateEscrowRequest, context: Context
    ) -> orders_pb2.Order:
        order_id = uuid.UUID(request.order_id)
        answer = await self._service.create_escrow(calls.request(request), order_id=order_id)
        return calls.order(context, answer)

    async def FundEscrow(
        self, request: orders_pb2.FundEscrowRequest, context: Context
    ) -> orders_pb2.Order:
        order_id = uuid.UUID(request.order_id)
        answer = await self._service.fund_escrow(calls.request(request), order_id=order_id)
        return calls.order(context, answer)

    async def ReleaseFunds(
        self, request: orders_pb2.ReleaseFundsRequest, context: Context
    ) -> orders_pb2.Order:
        score = request.delta_score_tenths if request.HasField("delta_score_tenths") else None
        answer = await self._service.release_funds(
            calls.request(request),
            order_id=uuid.UUID(request.order_id),
            by=calls.party(request.requested_by, "requested_by"),
            delta_score_tenths=score,
            is_forced=request.force,
        )
        return calls.order(context, answer)

    async def CompleteMilestone(
        self, request: orders_pb2.CompleteMilestoneRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._service.complete_milestone(
            calls.request(request), order_id=uuid.UUID(request.order_id), ref=request.ref
        )
        return calls.order(context, answer)

    async def CancelOrder(
        self, request: orders_pb2.CancelOrderRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._service.cancel(
            calls.request(request),
            order_id=uuid.UUID(request.order_id),
            by=calls.party(request.canceled_by, "canceled_by"),
            reason=request.reason,
            user_id=calls.user(),
        )
        return calls.order(context, answer)

    async def RefundOrder(
        self, request: orders_pb2.RefundOrderRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._service.refund(
            calls.request(request),
            order_id=uuid.UUID(request.order_id),
            by=calls.party(request.requested_by, "requested_by"),
            reason=request.reason,
        )
        return calls.order(context, answer)

    async def OpenDispute(
        self, request: orders_pb2.OpenDisputeRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._service.open_dispute(
            calls.request(request),
            order_id=uuid.UUID(request.order_id),
            by=calls.party(request.opened_by, "opened_by"),
            reason=wire.enum_from_proto(
                DisputeReason, orders_pb2.DisputeReason, request.reason, field="reason"
            ),
            description=request.description,
            evidence=list(request.evidence),
            user_id=calls.user(),
        )
        return calls.order(context, answer)

    async def ResolveDispute(
        self, request: orders_pb2.ResolveDisputeRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._service.resolve_dispute(
            calls.request(request),
            dispute_id=uuid.UUID(request.dispute_id),
            decision=wire.enum_from_proto(
                Decision, orders_pb2.DisputeDecision, request.decision, field="decision"
            ),
            release=wire.optional_amount(request, "release_amount"),
            refund=wire.optional_amount(request, "refund_amount"),
            note=request.note,
        )
        return calls.order(context, answer)

    async def DeliverOrder(
        self, request: orders_pb2.DeliverOrderRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._service.deliver(
            calls.request(request),
            order_id=uuid.UUID(request.order_id),
            notes=request.notes,
            url=request.url,
            user_id=calls.user(),
        )
        return calls.order(context, answer)

    async def ConfirmOrder(
        self, request: orders_pb2.ConfirmOrderRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._service.confirm(
            calls.request(request),
            order_id=uuid.UUID(request.order_id),
            user_id=calls.user(),
        )
        return calls.order(context, answer)

    async def PayOrder(
        self, request: orders_pb2.PayOrderRequest, context: Context
    ) -> orders_pb2.Order:
        answer = await self._service.pay(
            calls.request(request),
            order_id=uuid.UUID(request.order_id),
            user_id=calls.user(),
        )
        return calls.order(context, answer)

    async def CreditUser(
        self, request: orders_pb2.CreditUserRequest, context: Context
    ) -> orders_pb2.Credit:
        new = NewCredit(
            user=request.user,
            amount=wire.optional_amount(request, "amount") or 0,
            reference=request.reference,
            description=request.description,
        )
        answer = await self._crediting.credit(
            request_key(request), new, wait_seconds=calls.request(request).wait_seconds
        )
        calls.mark(context, answer)
        return orders_pb2.Credit.FromString(answer.body)

    async def GiveBackHold(
        self, request: orders_pb2.GiveBackHoldRequest, context: Context
    ) -> orders_pb2.Order:
        del context
        order_id, reason = uuid.UUID(request.order_id), request.reason
        found = await self._holds.give_back(
            marketplace_id=calls.marketplace(), order_id=order_id, reason=reason
        )
        return wire.order_to_proto(found)

    async def GetReconciliation(
        self, request: orders_pb2.GetReconciliationRequest, context: Context
    ) -> orders_pb2.Reconciliation:
        del request, context
        whose = calls.marketplace()
        found = await self._reconciler.found(marketplace_id=whose)
        return wire.reconciliation(*found, await self._reconciler.waiting(marketplace_id=whose))
