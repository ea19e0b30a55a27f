"""Transfers of the asset after a stored cursor: the event stream as evidence of deposits.

Changes of escrow contracts are read with the same cursor.
"""

from collections.abc import Sequence

from stellar_sdk import scval

from services.escrow.contracts.evidence import TransfersPage
from services.escrow.ports import ChainBehind, ChainRefused, ChainUnavailable, HistoryUnavailable
from services.escrow.stellar import changes
from services.escrow.stellar.contents import Contents
from services.escrow.stellar.events import MINT, TRANSFER, Asset, Position, Told, read_events
from services.escrow.stellar.pages import Events
from services.escrow.stellar.rpc import OutOfRange, Rpc

LIMIT_MAX = 10_000
ANY = "*"
TOPICS = ((TRANSFER, ANY, ANY, ANY), (MINT, ANY, ANY), (MINT, ANY, ANY, ANY))


class Transfers:
    """Reads one asset's transfers."""

    def __init__(
        self, *, rpc: Rpc, asset_contract: str, issuer: str, asset_code: str = "USDC"
    ) -> None:
        self._rpc = rpc
        self._asset = Asset(contract=asset_contract, issuer=issuer, name=f"{asset_code}:{issuer}")
        self._contents = Contents(rpc=rpc, asset=self._asset)

    async def since(self, cursor: str | None, *, limit: int) -> TransfersPage:
        """Return what came after a cursor; from ledgers if no node has the events any more.

        Raises: ChainUnavailable; WrongNetwork; ChainBehind; HistoryUnavailable; ChainRefused.
        """
        after = None if cursor is None else Position.of(cursor)
        # The cursor follows the node's answers: another network would carry it past our ledgers.
        await self._rpc.require_network()
        try:
            return await self._events_since(after, cursor=cursor, limit=limit)
        except HistoryUnavailable:
            page = None if after is None else await self._contents.since(after)
            if page is None:
                raise
            return page

    async def _events_since(
        self, after: Position | None, *, cursor: str | None, limit: int
    ) -> TransfersPage:
        start = await self._rpc.oldest_ledger() if cursor is None else None
        answer = await self._ask(
            TOPICS, start=start, cursor=cursor, limit=min(limit, LIMIT_MAX), of_all=changes.TOPICS
        )
        if after is not None:
            self._require_history(answer, after)
        told = self._told(answer, after=after)
        return TransfersPage(
            transfers=told.believed,
            unreadable=told.unreadable,
            changes=changes.read(answer.events, after=after, latest_ledger=answer.latest_ledger),
            next_cursor=answer.cursor,
            latest_ledger=answer.latest_ledger,
            oldest_ledger=answer.oldest_ledger,
        )

    async def paid_between(self, payer: str, payee: str, *, since_ledger: int) -> int | None:
        """Return what an address has paid to another since a ledger, in minor units.

        None: the node does not keep all ledgers since then. Raises: ChainUnavailable.
        """
        if since_ledger < await self._rpc.oldest_ledger():
            return None
        between = [TRANSFER, scval.to_address(payer).to_xdr(), scval.to_address(payee).to_xdr()]
        start: int | None = since_ledger
        cursor: str | None = None
        after, total = Position(since_ledger << 32, 0), 0
        while True:
            answer = await self._ask([[*between, ANY]], start=start, cursor=cursor, limit=LIMIT_MAX)
            told = self._told(answer, after=after if cursor is not None else None)
            if told.unreadable:
                raise ChainUnavailable(f"a transfer cannot be read: {told.unreadable[0].why}")
            total += sum(
                found.amount
                for found in told.believed
                if (found.from_address, found.to_address) == (payer, payee)
                and found.ledger >= since_ledger
            )
            reached = Position.of(answer.cursor)
            if reached.ledger >= answer.latest_ledger:
                return total
            if reached <= after:
                raise ChainUnavailable("the node's cursor stands still")
            start, cursor, after = None, answer.cursor, reached

    async def _ask(
        self,
        topics: Sequence[Sequence[str]],
        *,
        start: int | None,
        cursor: str | None,
        limit: int,
        of_all: Sequence[Sequence[Sequence[str]]] = (),
    ) -> Events:
        ledger = start if cursor is None else Position.of(cursor).ledger
        try:
            return await self._rpc.events(
                contract_id=self._asset.contract,
                topics=topics,
                start_ledger=start,
                cursor=cursor,
                limit=limit,
                ledger=ledger,
                of_all=of_all,
            )
        except (OutOfRange, ChainRefused) as refusal:
            raise await self._explained(refusal, ledger) from refusal

    def _told(self, answer: Events, *, after: Position | None) -> Told:
        """Check the events of an answer, and the cursor that it continues with."""
        try:
            reached = Position.of(answer.cursor)
        except ChainRefused as error:
            raise ChainUnavailable("the node's answer has no cursor") from error
        if reached.ledger > answer.latest_ledger:
            raise ChainUnavailable("the node's cursor is beyond its newest ledger")
        if after is not None and reached < after:
            raise ChainUnavailable("the node's cursor goes backwards")
        return read_events(
            [event for event in answer.events if not changes.is_one(event)],
            asset=self._asset,
            after=after,
            latest_ledger=answer.latest_ledger,
        )

    async def _explained(self, refusal: OutOfRange | ChainRefused, ledger: int | None) -> Exception:
        """Return the error for a ledger outside the node's range, or else the node's refusal."""
        oldest, latest = await self._rpc.window(ledger=ledger)
        if ledger is not None and ledger < oldest:
            return _too_old(ledger, oldest)
        if ledger is not None and ledger > latest:
            return _ahead(ledger, latest)
        # The refusal was true when it was given; now this node, or another of the pool, has the
        # ledger.
        return refusal

    def _require_history(self, answer: Events, after: Position) -> None:
        # Some nodes answer any cursor with what they have. That may hide a gap or another network.
        if after.ledger + 1 < answer.oldest_ledger:
            raise _too_old(after.ledger, answer.oldest_ledger)
        if after.ledger > answer.latest_ledger:
            raise _ahead(after.ledger, answer.latest_ledger)


def _too_old(ledger: int, oldest: int) -> HistoryUnavailable:
    return HistoryUnavailable(
        f"the cursor is in ledger {ledger}, the node keeps {oldest} and later",
        details={"cursor_ledger": ledger, "oldest_ledger": oldest},
    )


def _ahead(ledger: int, latest: int) -> ChainBehind:
    return ChainBehind(
        f"the cursor is in ledger {ledger}, the node's newest is {latest}",
        details={"cursor_ledger": ledger, "latest_ledger": latest},
    )
