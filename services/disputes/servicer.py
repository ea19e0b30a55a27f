"""The RPCs of disputes: decode, call one use case, encode. ACCESS says who may call each."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import grpc
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc

from chassis import identity
from chassis.idempotency import Answer, request_key
from chassis.identity import MARKETPLACE, PEOPLE, REPLAYED_KEY, ROLE_ADMIN, STAFF, allow
from chassis.server import Binding
from chassis.wire import page_size
from kernel.ids import MarketplaceId
from services.disputes import wire
from services.disputes.service import DisputesService
from services.disputes.talk import servicer as talk_servicer
from services.disputes.talk.service import TalkService
from services.disputes.talk.servicer import TalkMethods

Context = grpc.aio.ServicerContext[Any, Any]

# Marketplaces and people. The use case checks that a person is a party to the case.
WITH_PARTIES = MARKETPLACE | PEOPLE
# Marketplaces and their people of support, who work on any case.
WITH_STAFF = MARKETPLACE | STAFF
ACCESS = {
    "OpenDispute": allow("orders"),
    "GetDispute": allow("gateway", "orders", "operator", scope="read", roles=WITH_PARTIES | STAFF),
    "ListDisputes": allow("gateway", "orders", "operator", scope="read", roles=WITH_STAFF),
    **talk_servicer.ACCESS,
    "UnassignDispute": allow("gateway", scope="support", roles=WITH_STAFF),
    "AssignDispute": allow("gateway", scope="support", roles=WITH_STAFF),
    "AddEvidence": allow("gateway", scope="write", roles=WITH_PARTIES),
    "DecideDispute": allow("orders"),
    "CompleteDispute": allow("orders"),
    "WithdrawDecision": allow("orders"),
    "AgeAnswers": allow("gateway", scope="write"),
}


def binding(service: DisputesService, talk: TalkService, *, ring: Callable[[], None]) -> Binding:
    """Return the servicer with its allow-list. ring: called after a clock is moved."""
    return Binding(
        servicer=DisputesServicer(service, talk, ring=ring),
        add=disputes_pb2_grpc.add_DisputesServiceServicer_to_server,
        descriptor=disputes_pb2.DESCRIPTOR.services_by_name["DisputesService"],
        access=ACCESS,
    )


class DisputesServicer(TalkMethods, disputes_pb2_grpc.DisputesServiceServicer):
    """The RPCs of disputes; the mixin of messages and notes is in its room."""

    def __init__(
        self, service: DisputesService, talk: TalkService, *, ring: Callable[[], None]
    ) -> None:
        self._service, self._talk, self._ring = service, talk, ring

    async def OpenDispute(
        self, request: disputes_pb2.OpenDisputeRequest, context: Context
    ) -> disputes_pb2.Dispute:
        answer = await self._service.open_case(
            key=request_key(wire.opening(request)), case=wire.new_case(request)
        )
        return _dispute(answer, context)

    async def GetDispute(
        self, request: disputes_pb2.GetDisputeRequest, context: Context
    ) -> disputes_pb2.Dispute:
        if request.WhichOneof("by") == "order_id":
            found = await self._service.get_of_order(
                marketplace_id=_marketplace(),
                order_id=wire.order_id(request.order_id),
                reader=_reader(),
            )
        else:
            found = await self._service.get(
                marketplace_id=_marketplace(),
                dispute_id=wire.dispute_id(request.dispute_id),
                reader=_reader(),
            )
        return wire.dispute(found)

    async def ListDisputes(
        self, request: disputes_pb2.ListDisputesRequest, context: Context
    ) -> disputes_pb2.ListDisputesResponse:
        size = page_size(request.page)
        chosen = wire.chosen(request, marketplace_id=_marketplace())
        if request.overdue:
            found = await self._service.list_overdue(
                chosen=chosen, after=wire.after_overdue(request), size=size
            )
        else:
            found = await self._service.list_cases(
                chosen=chosen, after=wire.after(request), size=size
            )
        return wire.page(request, found, size=size)

    async def AssignDispute(
        self, request: disputes_pb2.AssignDisputeRequest, context: Context
    ) -> disputes_pb2.Dispute:
        who = identity.current()
        answer = await self._service.assign(
            key=request_key(request),
            dispute_id=wire.dispute_id(request.dispute_id),
            agent_id=request.agent_id,
            # Only the id of another agent is known.
            agent_name=who.name if who.principal == request.agent_id else "",
            notes=request.notes,
        )
        return _dispute(answer, context)

    async def UnassignDispute(
        self, request: disputes_pb2.UnassignDisputeRequest, context: Context
    ) -> disputes_pb2.Dispute:
        answer = await self._service.unassign(
            key=request_key(request), dispute_id=wire.dispute_id(request.dispute_id)
        )
        return _dispute(answer, context)

    async def AddEvidence(
        self, request: disputes_pb2.AddEvidenceRequest, context: Context
    ) -> disputes_pb2.Dispute:
        answer = await self._service.add_evidence(
            key=request_key(request),
            dispute_id=wire.dispute_id(request.dispute_id),
            evidence=tuple(request.evidence),
            user_id=identity.current().user_id,
        )
        return _dispute(answer, context)

    async def DecideDispute(
        self, request: disputes_pb2.DecideDisputeRequest, context: Context
    ) -> disputes_pb2.Dispute:
        answer = await self._service.decide(
            key=request_key(request),
            dispute_id=wire.dispute_id(request.dispute_id),
            proposal=wire.proposal(request),
        )
        return _dispute(answer, context)

    async def CompleteDispute(
        self, request: disputes_pb2.CompleteDisputeRequest, context: Context
    ) -> disputes_pb2.Dispute:
        answer = await self._service.complete(
            key=request_key(request), dispute_id=wire.dispute_id(request.dispute_id)
        )
        return _dispute(answer, context)

    async def WithdrawDecision(
        self, request: disputes_pb2.WithdrawDecisionRequest, context: Context
    ) -> disputes_pb2.Dispute:
        answer = await self._service.withdraw(
            key=request_key(request),
            dispute_id=wire.dispute_id(request.dispute_id),
            why=request.why,
        )
        return _dispute(answer, context)

    async def AgeAnswers(
        self, request: disputes_pb2.AgeAnswersRequest, context: Context
    ) -> disputes_pb2.AgeAnswersResponse:
        by = dt.timedelta(seconds=request.seconds)
        offset = dt.timedelta(seconds=request.clock_offset_seconds)
        answer = await self._service.age_answers(key=request_key(request), by=by, offset=offset)
        self._ring()
        if answer.replayed:
            context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
        return disputes_pb2.AgeAnswersResponse.FromString(answer.body)


def _marketplace() -> MarketplaceId:
    return MarketplaceId(identity.current().marketplace_id)


def _reader() -> UUID | None:
    """Return the user who must be a party to the case; None: an admin or a marketplace."""
    who = identity.current()
    return None if who.role == ROLE_ADMIN else who.user_id


def _dispute(answer: Answer, context: Context) -> disputes_pb2.Dispute:
    if answer.replayed:
        context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
    return disputes_pb2.Dispute.FromString(answer.body)
