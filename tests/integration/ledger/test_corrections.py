"""Corrections: one operator proposes, another approves, and the transfer is posted once."""

import asyncio
import uuid
from dataclasses import dataclass, replace

import psycopg
import pytest
from orchestrator.ledger.v1 import corrections_pb2
from psycopg import sql

from chassis.idempotency import Idempotency, RequestKey
from kernel.errors import DomainError, InvalidArgument
from kernel.ids import MarketplaceId
from services.ledger.corrections import wire
from services.ledger.corrections.domain import (
    AccountNotFound,
    Correction,
    CorrectionDecided,
    CorrectionExpired,
    CorrectionNotFound,
    Draft,
    SameOperator,
    Verdict,
)
from services.ledger.corrections.service import Corrections
from services.ledger.corrections.store import CorrectionStore
from tests.integration.ledger.conftest import USDC, WORLD, House, Replica, escrow
from tests.lines import actions

ALICE, BOB, CAROL = "alice", "bob", "carol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The corrections of one replica of a house."""

    house: House
    use_cases: Corrections

    async def propose(self, draft: Draft, *, by: str = ALICE, key: str = "") -> uuid.UUID:
        answer = await self.use_cases.propose(
            key=RequestKey(
                marketplace_id=self.house.marketplace,
                scope="",
                key=key or str(uuid.uuid4()),
                fingerprint=b"f",
            ),
            draft=draft,
            by=by,
        )
        proposed = corrections_pb2.Correction.FromString(answer.body)
        return uuid.UUID(proposed.id)

    async def decide(
        self,
        correction_id: uuid.UUID,
        *,
        by: str,
        verdict: Verdict = Verdict.APPROVED,
        marketplace: MarketplaceId | None = None,
    ) -> Correction:
        return await self.use_cases.decide(
            marketplace_id=marketplace or self.house.marketplace,
            correction_id=correction_id,
            verdict=verdict,
            by=by,
        )

    async def page(self, *, only_open: bool) -> list[Correction]:
        return await self.use_cases.page(
            marketplace_id=self.house.marketplace, only_open=only_open, after=0, size=20
        )

    async def told(self) -> list[str]:
        """Read what the audit trail says."""
        return await actions(self.house.replicas[0].database, self.house.marketplace)

    def transfers(self) -> int:
        """Count the corrections among the marketplace's transfers."""
        counted = "select count(*) from ledger.transfers where marketplace_id = %s and code = 13"
        return int(self.house.rows(counted, self.house.marketplace)[0][0])


def room(house: House, replica: Replica | None = None) -> Room:
    served = replica or house.replicas[0]
    return Room(
        house=house,
        use_cases=Corrections(
            database=served.database,
            batcher=served.batcher,
            store=CorrectionStore(),
            idempotency=Idempotency(),
            encode=wire.correction_bytes,
        ),
    )


def draft(debit: str, credit: str, amount: int) -> Draft:
    return Draft(
        debit=debit,
        credit=credit,
        asset=USDC,
        amount=amount,
        reason="The record of the deposit was refused",
        evidence_hash="ab" * 32,
        settles="evt_1",
        order_id=None,
        transaction_hash="cd" * 32,
    )


async def test_an_approved_correction_is_posted_with_its_event(
    house: House,
) -> None:
    desk, user = room(house), await house.user()

    proposed = await desk.propose(draft(WORLD, user, 500))
    assert (await house.balance(user)).available == 0
    approved = await desk.decide(proposed, by=BOB)

    assert (approved.proposed_by, approved.decided_by) == (ALICE, BOB)
    assert (await house.balance(user)).available == 500
    [(code, reason, transaction_hash)] = house.rows(
        "select code, reason, transaction_hash from ledger.transfers where id = %s",
        approved.transfer_id,
    )
    assert (code, reason, transaction_hash) == (13, approved.draft.reason, "cd" * 32)
    events = house.rows(
        "select event_type from ledger.outbox where marketplace_id = %s", house.marketplace
    )
    assert events == [("balance.credited",)]


async def test_the_proposer_cannot_approve(house: House) -> None:
    desk, user = room(house), await house.user()
    proposed = await desk.propose(draft(WORLD, user, 500))

    with pytest.raises(SameOperator):
        await desk.decide(proposed, by=ALICE)

    assert (desk.transfers(), (await house.balance(user)).available) == (0, 0)
    await desk.decide(proposed, by=BOB)
    with pytest.raises(SameOperator):
        await desk.decide(proposed, by=ALICE)


async def test_approving_twice_posts_once(house: House) -> None:
    desk, user = room(house), await house.user()
    proposed = await desk.propose(draft(WORLD, user, 500))

    first = await desk.decide(proposed, by=BOB)
    again = await desk.decide(proposed, by=CAROL)

    assert again == first
    assert (desk.transfers(), (await house.balance(user)).available) == (1, 500)
    assert await desk.told() == ["correction.propose", "correction.approve"]


async def test_concurrent_approvers_on_two_replicas_post_once(house: House) -> None:
    desks = [room(house), room(house, await house.replica())]
    user = await house.user()
    proposed = await desks[0].propose(draft(WORLD, user, 500))

    answers = await asyncio.gather(
        *(desk.decide(proposed, by=name) for desk in desks for name in (BOB, CAROL) for _ in "12")
    )

    assert len({answer.decided_by for answer in answers}) == 1
    assert (desks[0].transfers(), (await house.balance(user)).available) == (1, 500)


async def test_of_a_concurrent_approval_and_rejection_one_wins(house: House) -> None:
    desk, user = room(house), await house.user()
    proposed = await desk.propose(draft(WORLD, user, 500))

    answers = await asyncio.gather(
        desk.decide(proposed, by=BOB),
        desk.decide(proposed, by=CAROL, verdict=Verdict.REJECTED),
        return_exceptions=True,
    )

    [refused] = [answer for answer in answers if isinstance(answer, Exception)]
    [decided] = [answer for answer in answers if isinstance(answer, Correction)]
    assert isinstance(refused, CorrectionDecided)
    assert desk.transfers() == int(decided.verdict is Verdict.APPROVED)


async def test_a_rejected_correction_is_never_posted(house: House) -> None:
    desk, user = room(house), await house.user()
    proposed = await desk.propose(draft(WORLD, user, 500))

    rejected = await desk.decide(proposed, by=ALICE, verdict=Verdict.REJECTED)

    assert rejected.transfer_id is None
    with pytest.raises(CorrectionDecided):
        await desk.decide(proposed, by=BOB)
    assert desk.transfers() == 0
    assert await desk.told() == ["correction.propose", "correction.reject"]


async def test_a_proposal_expires_by_the_databases_clock(house: House) -> None:
    desk, user = room(house), await house.user()
    proposed = await desk.propose(draft(WORLD, user, 500))
    house.rows(
        "update ledger.corrections set expires_at = now() where id = %s returning id", proposed
    )

    with pytest.raises(CorrectionExpired):
        await desk.decide(proposed, by=BOB)

    [shown] = await desk.page(only_open=False)
    assert (shown.is_expired, await desk.page(only_open=True)) == (True, [])
    assert desk.transfers() == 0


async def test_a_correction_cannot_overdraw_an_account(house: House) -> None:
    desk, user = room(house), await house.user(300)
    proposed = await desk.propose(draft(user, WORLD, 301))

    with pytest.raises(DomainError) as refusal:
        await desk.decide(proposed, by=BOB)

    assert refusal.value.reason == "INSUFFICIENT_FUNDS"
    [still_open] = await desk.page(only_open=True)
    assert still_open.id == proposed
    assert ((await house.balance(user)).available, desk.transfers()) == (300, 0)


async def test_an_unknown_or_foreign_account_cannot_be_corrected(
    house: House,
) -> None:
    desk, foreign = room(house), await house.user()
    house.marketplace = MarketplaceId(uuid.uuid4())

    for name in (foreign, escrow()):
        with pytest.raises(AccountNotFound):
            await desk.propose(draft(WORLD, name, 500))


async def test_another_marketplace_can_neither_see_nor_decide_a_correction(house: House) -> None:
    desk, user = room(house), await house.user()
    proposed = await desk.propose(draft(WORLD, user, 500))

    with pytest.raises(CorrectionNotFound):
        await desk.decide(proposed, by=BOB, marketplace=MarketplaceId(uuid.uuid4()))

    assert desk.transfers() == 0


@pytest.mark.parametrize("changed", [{"amount": 0}, {"debit": "suspense", "credit": "suspense"}])
async def test_an_impossible_transfer_is_not_proposed(
    house: House, changed: dict[str, object]
) -> None:
    desk, user = room(house), await house.user()

    with pytest.raises(InvalidArgument):
        await desk.propose(replace(draft(WORLD, user, 500), **changed))  # type: ignore[arg-type]


async def test_the_same_request_proposes_once(house: House) -> None:
    desk, user = room(house), await house.user()

    ids = {await desk.propose(draft(WORLD, user, 500), key="one") for _ in range(2)}

    assert len(ids) == 1
    assert len(await desk.page(only_open=True)) == 1


@pytest.mark.parametrize("table", ["corrections", "correction_decisions"])
@pytest.mark.parametrize("change", ["update {} set decided_by = 'x'", "delete from {}"])
def test_the_service_can_change_neither_proposal_nor_decision(
    house: House, table: str, change: str
) -> None:
    column = "proposed_by" if table == "corrections" else "decided_by"
    statement = change.replace("decided_by", column)

    with (
        psycopg.connect(house.url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(sql.SQL(statement).format(sql.Identifier("ledger", table)))


async def test_the_table_refuses_an_approval_by_the_proposer(house: House) -> None:
    desk, user = room(house), await house.user()
    proposed = await desk.propose(draft(WORLD, user, 500))

    with pytest.raises(psycopg.errors.CheckViolation):
        house.rows(
            """
            insert into ledger.correction_decisions
            select marketplace_id, id, proposed_by, 'approved', proposed_by, now(), id
            from ledger.corrections where id = %s
            """,
            proposed,
        )
