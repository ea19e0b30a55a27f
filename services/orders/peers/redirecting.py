"""The port to escrow for redirections of payouts, and its client. It decides nothing."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Protocol

from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc

from chassis.channel import Caller
from chassis.wire import instant_from_proto

# Added to the timeout of a call that waits for a command's end.
SLACK_SECONDS = 5.0
# The prefix of an API key's principal. Without a second key, the marketplace's rule approves.
KEY = "key:"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRedirect:
    """A redirection to propose or approve. party: SELLER or BUYER.

    approval_hours: the hours that a second key has to approve; 0: one key is enough.
    """

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
    """The state of a redirection. is_approved: False: it is only proposed.

    proposed_by, approved_by: principals. approved_by is "" if no second key approved it.
    """

    is_approved: bool
    proposed_by: str
    approved_by: str
    expires_at: dt.datetime


class RedirectPort(Protocol):
    """Redirections by escrow, on behalf of the current principal."""

    async def redirect(self, asked: AskedRedirect) -> PayoutRedirect:
        """Propose or approve a redirection. Raises: the refusal of escrow."""
        ...


class RedirectClient:
    """The gRPC client of escrow for redirections."""

    def __init__(self, stub: escrow_pb2_grpc.EscrowServiceStub, caller: Caller) -> None:
        self._stub = stub
        self._caller = caller

    async def redirect(self, asked: AskedRedirect) -> PayoutRedirect:
        """Propose or approve a redirection, on behalf of the current principal."""
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
