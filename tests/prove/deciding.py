"""Ends commands whose contract has paid out by another decision, as the runbook says.

After a restore, an order may be decided otherwise than in the time that the database has lost. The
chain keeps what was decided then, so the new command is abandoned, and the first decision made
again.
"""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

from stellar_sdk import Address, scval, xdr

from kernel.ids import to_public
from kernel.money import to_text
from tests.prove.asking import Asker, Body
from tests.prove.checking import read
from tests.prove.deployment import Deployment
from tests.prove.flows import DISPUTE, REFUND, RELEASE
from tests.prove.market import Market
from tests.prove.restoring import Window, make

PAID_OUT = "the contract has paid out, and no step of ours did it"
WHY = "the order was decided otherwise before the database was restored"
WAIT_SECONDS, POLL_SECONDS = 60.0, 0.3
RELEASE_CALL, RESOLVE_CALL = b"release_funds", b"resolve_dispute"
_OF_COMMAND: LiteralString = """
select e.marketplace_id, e.order_id, e.contract_id, w.address as buyer
from escrow.commands c
join escrow.escrows e on (e.marketplace_id, e.id) = (c.marketplace_id, c.escrow_id)
join escrow.wallets w on (w.marketplace_id, w.id) = (e.marketplace_id, e.buyer_wallet_id)
where c.id = %s
"""
_FOUND: LiteralString = "select envelope_xdr from escrow.findings where has_succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """What a contract has divided, in minor units. is_release: it was not disputed."""

    is_release: bool
    to_buyer: int = 0
    to_seller: int = 0


def payout_in(envelope_xdr: str, *, contract: str, buyer: str) -> Payout | None:
    """Read from a landed envelope what a contract paid; None: it is no payout of that contract."""
    envelope = xdr.TransactionEnvelope.from_xdr(envelope_xdr)
    plain = envelope.v1 if envelope.fee_bump is None else envelope.fee_bump.tx.inner_tx.v1
    assert plain is not None
    operation = plain.tx.operations[0].body.invoke_host_function_op
    call = None if operation is None else operation.host_function.invoke_contract
    if call is None or Address.from_xdr_sc_address(call.contract_address).address != contract:
        return None
    if call.function_name.sc_symbol == RELEASE_CALL:
        return Payout(is_release=True)
    if call.function_name.sc_symbol != RESOLVE_CALL:
        return None
    division = call.args[-1].map
    assert division is not None
    shares = {
        scval.from_address(item.key).address: scval.from_int128(item.val)
        for item in division.sc_map
    }
    to_buyer = shares.pop(buyer, 0)
    return Payout(is_release=False, to_buyer=to_buyer, to_seller=sum(shares.values()))


def request_for(payout: Payout, order: Mapping[str, Any]) -> tuple[str, Body] | None:
    """Return what asks for the decision that a contract has carried out, or for the step before.

    order: as the API shows it; None: it is not for an operator to ask.
    """
    if order["status"] == "IN_PROGRESS":
        if payout.is_release:
            return RELEASE
        return DISPUTE if payout.to_seller else REFUND
    if order["status"] != "DISPUTED":
        return None
    decision: dict[str, str] = {"decision": "FULL_RELEASE"}
    if payout.to_buyer:
        decision = {"decision": "FULL_REFUND"}
    if payout.to_buyer and payout.to_seller:
        decision = {
            "decision": "SPLIT",
            "releaseAmount": to_text(payout.to_seller),
            "refundAmount": to_text(payout.to_buyer),
        }
    return f"/disputes/{order['dispute']['id']}/resolve", decision


@dataclass(slots=True, kw_only=True)
class Decider:
    """Decides again what the chain has carried out. abandoned: the orders, by their public ids."""

    running: Deployment
    markets: Sequence[Market]
    window: Window
    abandoned: set[str] = field(default_factory=set)

    async def end(self, command: Mapping[str, Any]) -> bool:
        """Abandon a command, and make the decision that its contract has carried out.

        Return False if that is not known, or cannot come from a restore.
        """
        url = self.running.stack.document["databaseUrl"]
        # The database may have been restored since the command was listed.
        of = next(iter(read(url, _OF_COMMAND, command["id"])), None)
        if of is None or not self.window.spans:
            return False
        envelopes = [row["envelope_xdr"] for row in read(url, _FOUND)]
        found = (payout_in(e, contract=of["contract_id"], buyer=of["buyer"]) for e in envelopes)
        payout = next((one for one in found if one is not None), None)
        if payout is None:
            return False
        self.running.say(f"abandoned, because the chain has {payout}: {command}")
        order = to_public("ord", of["order_id"])
        self.abandoned.add(order)
        await make(self.running, "abandon", COMMAND=str(command["id"]), WHY=WHY)
        (backend,) = (m.backend for m in self.markets if m.tenant.id == of["marketplace_id"])
        await self._decide(backend, order, payout)
        return True

    async def _decide(self, backend: Asker, name: str, payout: Payout) -> None:
        """Ask until the order is closed; a client may be quicker. Otherwise there are more rounds.

        An order that is not disputed, and whose contract was divided, needs a dispute first.
        """
        until = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            order = await backend.look(f"/orders/{name}")
            if order is None or order["status"] == "CLOSED":
                return
            request = request_for(payout, order)
            if request is not None and order["operation"] is None:
                path, body = request
                path = path if path.startswith("/") else f"/orders/{name}/{path}"
                answer = await backend.once("POST", path, body, key=str(uuid.uuid4()))
                self.running.say(f"decided as the chain has paid: {path} {body}: {answer.status}")
            await asyncio.sleep(POLL_SECONDS)
