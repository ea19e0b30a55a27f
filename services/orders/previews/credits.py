"""The preview of a manual credit: nothing is written, paid or booked."""

from dataclasses import replace

from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from chassis.idempotency import Answer, RequestKey
from kernel.ids import new_id
from services.orders.funds import credit_store
from services.orders.funds.credits import (
    CreditService,
    NewCredit,
    command_id_of,
    transfer_of,
)
from services.orders.order.intake import require_whole_cents


class RehearsedCredits(CreditService):
    """Carries out credits in memory."""

    async def credit(self, key: RequestKey, new: NewCredit, *, wait_seconds: float) -> Answer:
        """Return a credit as it would be after it was paid and booked.

        If a credit with the reference exists, it is returned as it is.

        Raises: the refusal that the credit would end with; Unavailable: a peer is unavailable.
        """
        del wait_seconds
        require_whole_cents(new.amount)
        async with self._database.transaction() as tx:
            asked = await self._new(tx, key, new, new_id())
            known = await credit_store.by_reference(tx, asked.marketplace_id, asked.reference)
        if known is not None:
            credit_store.require_same(known, asked)
            return Answer(body=self._encode(known))

        own = identity.system(caller="orders", marketplace_id=key.marketplace_id)
        with identity.acting_as(own):
            await self._escrow.credit(
                command_id=command_id_of(asked), user_id=asked.user.id, amount=asked.amount
            )
            (posted,) = await self._ledger.post([transfer_of(asked, "")])
        if posted.is_refused:
            raise RuntimeError(f"the ledger would refuse a credit: {posted.reason}")
        paid = replace(asked, state="SUCCEEDED", finished_at=self._clock.now())
        result = orders_pb2.Credit.FromString(self._encode(paid))
        # A credit that was not created has no id.
        result.id = ""
        return Answer(body=result.SerializeToString())
