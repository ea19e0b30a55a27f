"""Asks escrow to pay a party of an order at another address. Nothing is decided here."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Protocol

from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc

from chassis.channel import Caller
from chassis.wire import instant_from_proto

# What an answer may take after the wait for a command's end is over.
SLACK_SECONDS = 5.0
# How the names of keys begin, who approve; without a second key, the rule approves.
KEY = "key:"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRedirect:
    """What escrow is asked for. party: SELLER or BUYER. approval_hours: 0: one key is enough."""

    request_id: str
    fingerprint: bytes
    order_id: uuid.UUID
    party: str
    address: str
    why: str
    approval_hours: int
    wait_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutRedirect:
    """Where a party is to be paid. is_approved: False, it is only proposed.

    proposed_by, approved_by: principals; "": one was enough.
    """

    is_approved: bool
    proposed_by: str
    approved_by: str
    expires_at: dt.datetime


class RedirectPort(Protocol):
    """What escrow does for a marketplace, as the current principal."""

    async def redirect(self, asked: AskedRedirect) -> PayoutRedirect:
        """Propose or approve. Raises: as escrow refuses it."""
        ...


class RedirectClient:
    """Escrow over gRPC."""

    def __init__(self, stub: escrow_pb2_grpc.EscrowServiceStub, caller: Caller) -> None:
        self._stub = stub
        self._caller = caller

    async def redirect(self, asked: AskedRedirect) -> PayoutRedirect:
        """Propose or approve, as the current principal."""
        request = escrow_pb2.RedirectPayoutByRuleRequest(
            request_id=asked.request_id,
            fingerprint=asked.fingerprint,
            order_id=str(asked.order_id),
            party=f"PAYEE_ROLE_{asked.party}",
            address=asked.address,
            why=asked.why,
            approval_hours=asked.approval_hours,
            wait_seconds=asked.wait_seconds,
        )
        found = await self._caller.call(
            self._stub.RedirectPayoutByRule,
            request,
            timeout_seconds=asked.wait_seconds + SLACK_SECONDS,
        )
        return PayoutRedirect(
            is_approved=bool(found.approved_by),
            proposed_by=found.proposed_by,
            approved_by=found.approved_by if found.approved_by.startswith(KEY) else "",
            expires_at=instant_from_proto(found.expires_at),
        )
