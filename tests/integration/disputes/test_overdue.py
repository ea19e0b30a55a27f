"""Overdue waits are published once, by the marketplace's clock, with several replicas."""

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2

from chassis.audit import Asked, Change, Trail
from chassis.database import Database, Transaction
from chassis.idempotency import Idempotency, RequestKey
from chassis.outbox import Outbox
from chassis.wire import money_from_proto
from kernel.clock import SystemClock, to_milliseconds_text
from kernel.errors import InvalidArgument
from kernel.ids import DisputeId, MarketplaceId, OrderId, UserId, new_id, to_public
from services.disputes import wire
from services.disputes.domain import Dispute, DisputeReason, Filter, NewCase, Side
from services.disputes.measures import MEASURES
from services.disputes.overdue import BATCH, Overdue
from services.disputes.rulings import DisputeDecision, Proposal
from services.disputes.service import DisputesService
from services.disputes.store import DisputeStore
from services.disputes.talk import wire as talk_wire
from services.disputes.talk.domain import DisputeAuthor, Writer
from services.disputes.talk.service import TalkService
from services.disputes.talk.store import MESSAGES, NOTES
from services.disputes.waits_store import WaitStore
from tests.conftest import TestDatabase
from tests.integration.disputes.test_cases import opened, refusal, usdc
from tests.patience import until
from tests.serving import Client

HOUR = dt.timedelta(hours=1)
MOMENT = dt.timedelta(minutes=1)
BOTH = ["FIRST_ANSWER", "DECISION"]


class Dying(Trail):
    """An audit trail whose process dies after it has written the event, before the commit."""

    async def record(
        self,
        tx: Transaction,
        change: Change,
        *,
        marketplace_id: uuid.UUID,
        asked: Asked | None = None,
    ) -> None:
        """Die."""
        del tx, marketplace_id, asked
        raise ConnectionResetError(change.action)


def replica(database: Database, *, trail: Trail) -> Overdue:
    """Assemble the loop as app.py does."""
    waits = WaitStore()
    service = DisputesService(
        database=database,
        disputes=DisputeStore(),
        waits=waits,
        outbox=Outbox(),
        trail=trail,
        idempotency=Idempotency(),
        clock=SystemClock(),
        encode=wire.encode,
    )
    return Overdue(cases=service, waits=waits)


@dataclass(kw_only=True)
class Desk:
    """The cases of one marketplace, and two replicas that watch their waits."""

    url: str
    replicas: list[Overdue]
    marketplace_id: MarketplaceId = field(default_factory=lambda: MarketplaceId(uuid.uuid4()))

    @property
    def cases(self) -> DisputesService:
        """The use cases of the first replica."""
        return self.replicas[0].cases

    def key(self) -> RequestKey:
        """Make the key of a request."""
        return RequestKey(
            marketplace_id=self.marketplace_id, scope="", key=str(new_id()), fingerprint=b""
        )

    async def case(
        self, *, answer: int | None = 24, decide: int | None = 168, offset: dt.timedelta = 0 * HOUR
    ) -> DisputeId:
        """Open a case with its waits, in hours."""
        case = NewCase(
            id=DisputeId(new_id()),
            order_id=OrderId(new_id()),
            buyer_id=UserId(uuid.uuid4()),
            seller_id=UserId(uuid.uuid4()),
            opened_by=Side.BUYER,
            reason=DisputeReason.OTHER,
            description="",
            initiated_by=None,
            evidence=(),
            contract_snapshot_json="",
            amount=money_from_proto(usdc(8000)),
            answer_within=None if answer is None else answer * HOUR,
            decide_within=None if decide is None else decide * HOUR,
            clock_offset=offset,
        )
        await self.cases.open_case(key=self.key(), case=case)
        return case.id

    async def clock(self, offset: dt.timedelta) -> None:
        """Set the total offset of the marketplace's clock."""
        async with self.cases.database.transaction() as tx:
            await self.cases.waits.move_clock(tx, marketplace_id=self.marketplace_id, offset=offset)

    async def look(self) -> int:
        """Let both replicas look concurrently; returns how many events they wrote."""
        return sum(await asyncio.gather(*(one.tell() for one in self.replicas)))

    async def read(self, case: DisputeId) -> Dispute:
        """Read a case."""
        return await self.cases.get(
            marketplace_id=self.marketplace_id, dispute_id=case, reader=None
        )

    async def listed(self, **chosen: Any) -> list[DisputeId]:
        """List the overdue cases."""
        filters: dict[str, Any] = dict.fromkeys(
            ("ids", "order_id", "status", "opened_by", "opened_from", "opened_to")
        )
        both = Filter(
            **{"marketplace_id": self.marketplace_id, "assigned_to": "", **filters, **chosen}
        )
        return [one.id for one in await self.cases.list_overdue(chosen=both, after=None, size=99)]

    async def write(self, case: DisputeId, *, user: uuid.UUID | None = None) -> None:
        """Write a message, for support or for a side."""
        talk = TalkService(
            cases=self.cases,
            messages=MESSAGES,
            notes=NOTES,
            encode_message=talk_wire.encode_message,
            encode_note=talk_wire.encode_note,
        )
        writer = Writer(author=DisputeAuthor.SUPPORT, id="key:k", name="")
        await talk.add_message(key=self.key(), dispute_id=case, text="Hm", writer=writer, user=user)
        await talk.add_note(key=self.key(), dispute_id=case, text="Hm", writer=writer)

    async def decide(self, case: DisputeId) -> None:
        """Decide a case, as orders does."""
        proposal = Proposal(
            decision=DisputeDecision.FULL_REFUND, release=None, refund=None, note="", resolved_by=""
        )
        await self.cases.decide(key=self.key(), dispute_id=case, proposal=proposal)

    def told(self, case: DisputeId) -> list[str]:
        """Return the waits that the dispute.overdue events of a case name."""
        return [payload["waitsFor"] for payload in self.payloads(case)]

    def payloads(self, case: DisputeId) -> list[dict[str, str]]:
        """Return the payloads of dispute.overdue about a case."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(
                "select body from disputes.outbox where marketplace_id = %s"
                " and aggregate_id = %s and event_type = 'dispute.overdue' order by version",
                (self.marketplace_id, to_public("dsp", case)),
            ).fetchall()
        return [json.loads(body)["payload"] for (body,) in rows]


@pytest.fixture(scope="module")
def waiting_database(make_database: Callable[[], TestDatabase]) -> TestDatabase:
    """A database that no served replica looks at."""
    return make_database()


@pytest.fixture
async def desk(waiting_database: TestDatabase) -> AsyncIterator[Desk]:
    """A marketplace of this test alone, whose cases two replicas watch."""
    url = waiting_database.url("disputes")
    databases = [Database.open(url=url, schema="disputes", pool_size=4) for _ in range(2)]
    replicas = [replica(database, trail=Trail()) for database in databases]
    yield Desk(url=waiting_database.url(), replicas=replicas)
    for database in databases:
        await database.close()


async def test_each_overdue_wait_is_published_once_by_one_of_two_replicas(desk: Desk) -> None:
    cases = [await desk.case() for _ in range(5)]
    await desk.clock(24 * HOUR - MOMENT)
    early = await desk.look()
    before = await desk.read(cases[0])

    await desk.clock(24 * HOUR)
    found = [await desk.look() for _ in range(3)]
    await desk.clock(168 * HOUR)
    later = [await desk.look() for _ in range(3)]

    assert (early, before.overdue_since) == (0, None)
    assert (found, later) == ([5, 0, 0], [5, 0, 0])
    assert [desk.told(case) for case in cases] == [BOTH] * 5
    after = await desk.read(cases[0])
    assert after.waits.decision_due_at is not None
    assert after.overdue_since == after.waits.first_answer_due_at
    assert after.version == 3
    assert desk.payloads(cases[0])[1] == {
        "disputeId": after.public_id,
        "orderId": to_public("ord", after.order_id),
        "waitsFor": "DECISION",
        "dueAt": to_milliseconds_text(after.waits.decision_due_at),
        "assignedTo": "",
    }


async def test_replica_that_dies_before_its_commit_publishes_nothing(desk: Desk) -> None:
    case = await desk.case()
    await desk.clock(24 * HOUR)
    dying = replica(desk.cases.database, trail=Dying())

    with pytest.raises(ConnectionResetError):
        await dying.tell()
    nothing = desk.told(case)
    await desk.look()

    assert nothing == []
    assert desk.told(case) == ["FIRST_ANSWER"]


async def test_message_of_support_ends_the_first_wait_and_a_sides_message_does_not(
    desk: Desk,
) -> None:
    answered, silent = await desk.case(), await desk.case()
    await desk.clock(HOUR)
    buyer = (await desk.read(silent)).buyer_id
    await desk.write(answered)
    await desk.write(silent, user=buyer)
    at = (await desk.read(answered)).waits.first_answered_at
    await desk.clock(24 * HOUR)
    await desk.write(answered)
    await desk.look()

    assert (desk.told(answered), desk.told(silent)) == ([], ["FIRST_ANSWER"])
    after = await desk.read(answered)
    assert after.waits.first_answered_at == at
    # The time of the answer follows the marketplace's clock, as the due moment does.
    assert at is not None
    assert HOUR <= at - after.created_at < HOUR + MOMENT


async def test_a_decision_ends_both_waits_and_takes_the_case_off_the_list(desk: Desk) -> None:
    case = await desk.case()
    await desk.clock(24 * HOUR)
    await desk.look()
    late = await desk.listed()

    await desk.decide(case)
    await desk.clock(300 * HOUR)

    assert (late, await desk.listed()) == ([case], [])
    assert await desk.look() == 0
    assert desk.told(case) == ["FIRST_ANSWER"]


async def test_the_longest_overdue_is_listed_first_and_filters_apply(desk: Desk) -> None:
    short = await desk.case(answer=2, decide=None)
    long = await desk.case(answer=1, decide=None)
    await desk.case(answer=None, decide=None)
    await desk.case(answer=None, decide=3)
    await desk.clock(2 * HOUR)
    await desk.look()
    await desk.cases.assign(
        key=desk.key(), dispute_id=short, agent_id="agent-7", agent_name="", notes=""
    )

    assert await desk.listed() == [long, short]
    assert await desk.listed(assigned_to="agent-7") == [short]
    assert await desk.listed(ids=[long]) == [long]
    assert await desk.listed(opened_to=(await desk.read(short)).created_at) == []


async def test_case_of_a_marketplace_without_waits_is_never_overdue(desk: Desk) -> None:
    case = await desk.case(answer=None, decide=None)
    await desk.clock(9999 * HOUR)

    assert await desk.look() == 0
    assert (await desk.read(case)).waits.decision_due_at is None


async def test_waits_follow_the_clock_that_orders_sends_at_the_opening(desk: Desk) -> None:
    case = await desk.case(offset=48 * HOUR)

    assert await desk.look() == 0
    await desk.clock(HOUR)
    assert await desk.look() == 0
    waits = (await desk.read(case)).waits
    assert waits.first_answer_due_at is not None
    assert 71 * HOUR < waits.first_answer_due_at - dt.datetime.now(dt.UTC) < 72 * HOUR
    await desk.clock(72 * HOUR)
    assert await desk.look() == 1


async def test_wait_ended_by_the_previous_version_is_not_checked_again(desk: Desk) -> None:
    case = await desk.case()
    await desk.decide(case)
    with psycopg.connect(desk.url) as connection:
        stale = "update disputes.disputes set untold_due_at = now() where id = %s"
        connection.execute(stale, (case,))

    assert await desk.look() == 0
    with psycopg.connect(desk.url) as connection:
        left = "select untold_due_at from disputes.disputes where id = %s"
        assert connection.execute(left, (case,)).fetchone() == (None,)


async def test_metrics_count_overdue_cases_without_those_of_moved_clocks(desk: Desk) -> None:
    case = await desk.case()
    with psycopg.connect(desk.url) as connection:
        late = (
            "update disputes.disputes set first_answer_due_at = now() - interval '2 hours',"
            " untold_due_at = now() - interval '2 hours' where id = %s"
        )
        connection.execute(late, (case,))
    await desk.look()

    async def measured() -> list[int]:
        async with desk.cases.database.statement() as connection:
            return [int(await connection.fetchval(one.sql)) for one in MEASURES]

    count, oldest = await measured()
    await desk.clock(HOUR)

    assert count == 1
    assert 7200 <= oldest < 7260
    assert await measured() == [0, 0]


async def test_overdue_cases_beyond_one_look_are_published_by_the_loop(desk: Desk) -> None:
    cases = [await desk.case(decide=None) for _ in range(BATCH + 1)]
    await desk.clock(24 * HOUR)
    looking = asyncio.create_task(desk.replicas[0].run())

    async def all_told() -> bool:
        return len(await desk.listed()) == len(cases)

    await until(all_told)
    looking.cancel()

    assert {len(desk.told(case)) for case in cases} == {1}


async def test_the_clock_of_a_test_marketplace_wakes_the_loop_of_the_service(
    disputes: Client,
) -> None:
    hours = {"first_answer_hours": 24, "decision_hours": 168}
    cases = [await opened(disputes, **hours) for _ in range(3)]
    request = disputes_pb2.AgeAnswersRequest(
        request_id=str(new_id()), seconds=86400, clock_offset_seconds=86400
    )
    await disputes.call("AgeAnswers", request)

    async def page(token: str = "") -> disputes_pb2.ListDisputesResponse:
        asked = common_pb2.PageRequest(page_size=2, page_token=token)
        request = disputes_pb2.ListDisputesRequest(page=asked, overdue=True)
        found: disputes_pb2.ListDisputesResponse = await disputes.call("ListDisputes", request)
        return found

    async def all_listed() -> bool:
        first = await page()
        if not first.next_page_token:
            return False
        rest = (await page(first.next_page_token)).disputes
        seen = [*first.disputes, *rest]
        assert all(one.overdue and one.HasField("first_answer_due_at") for one in seen)
        return [one.id for one in seen] == [case.id for case in cases]

    await until(all_listed)
    # The page token says where the page ended, and is valid for this list only.
    other = disputes_pb2.ListDisputesRequest(
        page=common_pb2.PageRequest(page_token=(await page()).next_page_token)
    )
    assert isinstance(await refusal(disputes.call("ListDisputes", other)), InvalidArgument)
