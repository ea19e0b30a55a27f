"""The escrow's transitions, and the event of each."""

import datetime as dt
import uuid
from dataclasses import replace

import pytest

from kernel.errors import DomainError
from kernel.ids import to_public
from kernel.money import CENT, Money
from services.escrow import domain
from services.escrow.domain import (
    CommandInMotion,
    CommandKind,
    Escrow,
    EscrowNotReady,
    EscrowState,
    EscrowStillCreating,
    Outcome,
    PayeeRole,
    Payment,
    SharesMismatch,
    Terms,
)

AT = dt.datetime(2026, 2, 18, 10, tzinfo=dt.UTC)
COMMANDS = [kind for kind in CommandKind if "WALLET" not in kind]


def escrow(state: EscrowState = EscrowState.FUNDED, **changed: object) -> Escrow:
    terms = Terms(
        amount=8000 * CENT,
        title="Logo design",
        description="",
        milestones=("Logo design",),
        platform_fee_bps=0,
    )
    made = Escrow(
        id=uuid.UUID(int=1),
        marketplace_id=uuid.UUID(int=2),
        order_id=uuid.UUID(int=3),
        contract_id="C",
        wasm_hash="w",
        buyer_wallet_id=uuid.UUID(int=4),
        seller_wallet_id=uuid.UUID(int=5),
        terms=terms,
        state=state,
        created_at=AT,
    )
    return replace(made, **changed)  # type: ignore[arg-type] # a test names fields


def payment(payee: PayeeRole, minor_units: int, *, absorbed: bool = False) -> Payment:
    return Payment(
        payee=payee,
        from_address="C",
        to_address="G",
        minor_units=minor_units,
        transaction_hash="h",
        event_index=0,
        is_absorbed_fee=absorbed,
    )


def test_every_state_is_reached_from_a_new_escrow() -> None:
    seen, edge = {EscrowState.CREATING}, {EscrowState.CREATING}
    while edge:
        edge = {to for (at, _), to in domain.TRANSITIONS.items() if at in edge} - seen
        seen |= edge

    assert seen == set(EscrowState)


def test_escrow_in_motion_can_succeed_or_be_refused_and_takes_no_command() -> None:
    for state in domain.IN_MOTION:
        assert (state, Outcome.DONE) in domain.TRANSITIONS
        assert (state, Outcome.REFUSED) in domain.TRANSITIONS
        assert not any((state, kind) in domain.TRANSITIONS for kind in CommandKind)


def test_closed_escrow_stays_closed() -> None:
    assert not any(state in domain.CLOSED for state, _ in domain.TRANSITIONS)


@pytest.mark.parametrize("kind", COMMANDS)
@pytest.mark.parametrize("state", list(EscrowState))
def test_command_is_accepted_only_in_the_states_of_the_table(
    state: EscrowState, kind: CommandKind
) -> None:
    expected = domain.TRANSITIONS.get((state, kind))
    if expected is not None:
        assert domain.accept(escrow(state), kind=kind)[0].state is expected
        return

    refusals: dict[bool, type[DomainError]] = {True: CommandInMotion, False: EscrowNotReady}
    refusal = refusals[state in domain.IN_MOTION]
    with pytest.raises(EscrowStillCreating if state is EscrowState.CREATING else refusal):
        domain.accept(escrow(state), kind=kind)


def test_events_count_versions_without_a_gap() -> None:
    at_start = escrow(EscrowState.CREATED, version=1)

    funding, first = domain.accept(at_start, kind=CommandKind.FUND)
    funded, second = domain.succeed(funding, kind=CommandKind.FUND, payments=[], at=AT)
    marked, third = domain.complete_milestone(funded)

    assert [fact.version for fact in (*first, *second, *third)] == [2, 3, 4]
    assert marked.version == 4
    assert funded.funded_at == AT


def test_release_event_states_the_sellers_amount_with_the_reimbursement() -> None:
    paid = [
        payment(PayeeRole.PROVIDER, 2_400_000),
        payment(PayeeRole.SELLER, 797_600_000),
        payment(PayeeRole.SELLER, 2_400_000, absorbed=True),
    ]

    moved, [fact] = domain.succeed(
        escrow(EscrowState.RELEASING), kind=CommandKind.RELEASE, payments=paid, at=AT
    )

    assert fact.event_type == "escrow.released"
    assert fact.payload == {
        "escrowId": to_public("esc", moved.id),
        "orderId": to_public("ord", moved.order_id),
        "releasedAt": "2026-02-18T10:00:00.000Z",
        "amount": "80.00",
    }
    assert moved.closed_at == AT


@pytest.mark.parametrize(
    ("was_frozen", "expected"), [(False, EscrowState.FUNDED), (True, EscrowState.DISPUTED)]
)
def test_refused_refund_restores_the_previous_state(
    *, was_frozen: bool, expected: EscrowState
) -> None:
    moved, [fact] = domain.refuse(
        escrow(EscrowState.REFUNDING), reason="R", message="why", was_frozen=was_frozen
    )

    assert moved.state is expected
    assert moved.last_error == "R: why"
    assert (fact.event_type, fact.payload["reason"]) == ("escrow.failed", "R")


@pytest.mark.parametrize(
    ("seller", "buyer"),
    [(8000, 1), (7999, 0), (8001, -1), (0, 0)],
)
def test_shares_must_add_up(seller: int, buyer: int) -> None:
    with pytest.raises(SharesMismatch):
        domain.check_shares(
            escrow(), seller=_usdc(seller * CENT), buyer=_usdc(buyer * CENT), cent=CENT
        )


def test_shares_must_be_whole_cents() -> None:
    with pytest.raises(SharesMismatch):
        domain.check_shares(escrow(), seller=_usdc(1), buyer=_usdc(8000 * CENT - 1), cent=CENT)


def test_shares_must_be_in_the_escrows_asset() -> None:
    with pytest.raises(SharesMismatch):
        domain.check_shares(
            escrow(),
            seller=Money(asset="EURC", minor_units=8000 * CENT),
            buyer=_usdc(0),
            cent=CENT,
        )


def _usdc(minor_units: int) -> Money:
    return Money(asset="USDC", minor_units=minor_units)
