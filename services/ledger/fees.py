"""The platform's fees in PostgreSQL: their lock, and the amount that can be taken from them.

The fees are the sum of their entries, so that orders which pay fees never wait for each other. Only
a transfer that takes fees locks their row.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis.arrays import Columns
from chassis.database import Answer, Together
from kernel.ids import MarketplaceId
from services.ledger.book import BORNE, FEES, NewTransfer


def taken(asked: Mapping[MarketplaceId, Sequence[NewTransfer]]) -> set[tuple[UUID, str]]:
    """Return the marketplaces and assets whose fees the transfers take."""
    return {
        (marketplace, transfer.asset)
        for marketplace, transfers in asked.items()
        for transfer in transfers
        if transfer.debit == FEES
    }


def left(many: Together, wanted: set[tuple[UUID, str]], *, at: dt.datetime | None) -> Answer | None:
    """Lock the fees and read the amounts that can be taken; None: no transfer takes fees.

    at: the time at which a missing account of fees is opened, so that there is a row to lock; None:
    read without locks.
    """
    if not wanted:
        return None
    values = _ASSET.values(sorted(wanted))
    if at is not None:
        many.add(_OPEN, values | {"at": at})
        many.add(_LOCK, values)
    return many.add(_LEFT, values)


_ASSET = Columns("k", marketplace_id="uuid", asset="text")
_OPEN = f"""
insert into accounts (marketplace_id, asset, name, opened_at)
select marketplace_id, asset, '{FEES}', %(at)s from {_ASSET.unnested}
on conflict do nothing
"""  # noqa: S608 - joined from constants of this file
_LOCK = f"""
select from {_ASSET.unnested} join accounts a using (marketplace_id, asset)
where a.name = '{FEES}'
order by marketplace_id, asset
for no key update of a
"""
# The fees earned, less the fees borne, less the platform's open holds.
_LEFT = f"""
select marketplace_id, asset, (
    coalesce((
        select sum(e.available_change) from entries e
        where e.marketplace_id = k.marketplace_id and e.asset = k.asset and e.account = '{FEES}'
    ), 0) + least(coalesce((
        select sum(e.available_change) from entries e
        where e.marketplace_id = k.marketplace_id and e.asset = k.asset and e.account = '{BORNE}'
    ), 0), 0) - coalesce((
        select sum(h.amount) from transfers h
        where h.marketplace_id = k.marketplace_id and h.asset = k.asset
            and h.debit_account = '{FEES}' and h.type = 2
            and not exists (
                select from transfers r
                where r.marketplace_id = h.marketplace_id and r.pending_id = h.id
            )
    ), 0)
)::bigint as available
from {_ASSET.unnested}
"""  # noqa: S608 - joined from constants of this file
