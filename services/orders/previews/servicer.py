"""The RPC of previews. It calls the command's own method with rehearsed use cases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from chassis.identity import MARKETPLACE, PEOPLE, STAFF, Access, allow
from chassis.interceptors import authorize, validate
from kernel.errors import FailedPrecondition
from services.orders import calls
from services.orders.calls import Context
from services.orders.peers.ports import CheckingPeers
from services.orders.previews import wire

# A preview shows balances, so it needs `read`. The command's scope and roles are checked, too.
ACCESS = {"GetPreview": allow("gateway", scope="read", roles=MARKETPLACE | PEOPLE | STAFF)}
CREATION = "CreateWithdrawal"
SERVICE = orders_pb2.DESCRIPTOR.services_by_name["OrdersService"].full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The parts of one preview: a servicer whose use cases change nothing, and its peers."""

    methods: Any
    peers: CheckingPeers


class PreviewMethods:
    """The RPC of previews, a mixin of OrdersServicer."""

    access: ClassVar[Mapping[str, Access]]
    _rehearse: Callable[[], Rehearsal]

    async def GetPreview(
        self, request: orders_pb2.GetPreviewRequest, context: Context
    ) -> orders_pb2.Preview:
        field = request.WhichOneof("command") or ""
        method, asked = _method(field), getattr(request, field)
        authorize(f"/{SERVICE}/{method}", self.access[method], identity.current())
        validate(asked)

        rehearsal = self._rehearse()
        try:
            result = await getattr(rehearsal.methods, method)(asked, context)
        except FailedPrecondition as refusal:
            if method == CREATION:
                refusal.details = {k: v for k, v in refusal.details.items() if k != "withdrawalId"}
            raise
        if method == CREATION:
            # A withdrawal that was not created has no id.
            result.id = ""
        return await _preview(rehearsal.peers, result)


def _method(field: str) -> str:
    """Return the RPC whose request is in this field of GetPreviewRequest."""
    return "".join(part.capitalize() for part in field.split("_"))


async def _preview(peers: CheckingPeers, result: wire.Result) -> orders_pb2.Preview:
    """Encode the result of a rehearsed command. A person sees only their own balance."""
    sides: Sequence[tuple[common_pb2.UserRef, Any]]
    if isinstance(result, orders_pb2.Order):
        sides = [(result.buyer, common_pb2.PARTY_BUYER), (result.seller, common_pb2.PARTY_SELLER)]
    else:
        # A withdrawal of the platform has no user, so no balance is shown.
        sides = [(result.user, common_pb2.PARTY_UNSPECIFIED)] if result.user.public_id else []
    who = calls.user()
    seen = [(user, side) for user, side in sides if who is None or user.id == str(who)]
    system = identity.system(caller="orders", marketplace_id=calls.marketplace())
    with identity.acting_as(system):
        changes = await peers.balances(
            [wire.user_name(user) for user, _ in seen], asset=result.amount.asset
        )
    return wire.preview(
        result,
        balances=[wire.change(one, side) for one, (_, side) in zip(changes, seen, strict=True)],
        payments=peers.payments,
        steps=peers.steps,
    )
