"""Holders of money on chain, for the comparison with the ledger."""

import uuid
from dataclasses import dataclass

from chassis.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """An address whose balance must match the ledger account of the same name.

    in_motion: a command on it is in progress, or was quarantined less than ten minutes ago.
    is_closed: the contract has paid out. amount, funder, since_ledger: a contract's amount in minor
    units, the address that funds it, and a ledger before which it did not exist.
    """

    id: uuid.UUID
    account: str
    address: str
    in_motion: bool
    is_closed: bool
    amount: int
    funder: str
    since_ledger: int


class Holders:
    """Reads holders."""

    async def page(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, after: uuid.UUID | None, size: int
    ) -> list[Holder]:
        """List wallets that are or were on chain, and contracts that may hold money, by id."""
        names = {"marketplace": marketplace_id, "after": after or _BEFORE_ALL, "size": size}
        return [Holder(**row._asdict()) for row in await tx.fetch(_HOLDERS, names)]


_BEFORE_ALL = uuid.UUID(int=0)
# First the page, each half from its own index; then, for each row, the commands in progress.
_HOLDERS = """
with page as materialized (
    (select id, 'user:' || user_id as account, address, false as is_closed,
            cast(0 as bigint) as amount, cast(null as uuid) as funder_id from wallets
     where marketplace_id = %(marketplace)s and state not in ('CREATING', 'FAILED')
       and id > %(after)s
     order by id limit %(size)s)
    union all
    (select id, 'escrow:' || order_id, contract_id, closed_at is not null,
            amount, buyer_wallet_id from escrows
     where marketplace_id = %(marketplace)s and state <> 'FAILED' and id > %(after)s
     order by id limit %(size)s)
    order by id limit %(size)s
), moving as materialized (
    select unnest(array[c.escrow_id, c.wallet_id, e.buyer_wallet_id, e.seller_wallet_id]) as id
    from commands c
    left join escrows e on (e.marketplace_id, e.id) = (c.marketplace_id, c.escrow_id)
    where c.marketplace_id = %(marketplace)s and c.state in ('RUNNING', 'QUARANTINED')
      and (c.state = 'RUNNING' or coalesce(c.quarantined_at, c.created_at)
           > clock_timestamp() - interval '10 minutes')
)
select p.id, p.account, p.address, p.is_closed, p.amount,
       exists (select 1 from moving m where m.id = p.id) as in_motion,
       coalesce((select w.address from wallets w
                 where w.marketplace_id = %(marketplace)s and w.id = p.funder_id), '') as funder,
       coalesce((select min(a.prepared_at_ledger) from commands c
                 join steps s on s.marketplace_id = c.marketplace_id and s.command_id = c.id
                 join attempts a on a.step_id = s.id
                 where c.marketplace_id = %(marketplace)s and c.escrow_id = p.id
                   and s.name = 'deploy_escrow'), 0) as since_ledger
from page p order by p.id
"""
