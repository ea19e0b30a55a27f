"""The checks that operators rely on: each finds the fault that it looks for."""

import uuid

import pytest

from kernel.ids import MarketplaceId
from services.ledger.book import FEES
from tests.integration.ledger.conftest import WORLD, House, bar, escrow, pending, post, single, void

# Changes that need the owner's rights, and the check that finds each.
TAMPERINGS = [
    (
        "update ledger.entries set available_change = available_change + 1 where version is null",
        "I1 every asset",
    ),
    ("update ledger.transfers set amount = amount + 1 where type = 1", "I1 every transfer"),
    ("delete from ledger.entries where reserved_change > 0", "I1 every transfer"),
    ("update ledger.accounts set credits = credits + 1 where kind = 'user'", "I2"),
    (
        "update ledger.entries set available_change = -1 where account = 'fees:platform'",
        "I2 no platform",
    ),
    (
        "update ledger.accounts set holds = holds + 1, credits = credits + 1 where kind = 'user'",
        "I3",
    ),
    ("delete from ledger.transfers where type = 4", "I3"),
    ("update ledger.transfers set amount = amount + 1000 where type = 3", "I4"),
    (
        "update ledger.barred_holds b set hold_id = t.id from ledger.transfers t where t.type = 2",
        "I4 no hold was made",
    ),
    ("update ledger.entries set version = version + 1 where version = 7", "I5"),
    ("update ledger.entries set available_after = available_after + 1 where version = 2", "I5"),
    ("delete from ledger.outbox where version = 2", "I6"),
    ("update ledger.outbox set version = 90 where version = 2", "I6"),
]


async def lived_in(house: House) -> None:
    """One of everything."""
    ann, bob, order = await house.user(1000), await house.user(), escrow()
    first, second, third = (pending(ann, order, amount) for amount in (100, 200, 300))
    await house.post(first, second, third)
    await house.post(
        post(first, 60), void(second), single(order, bob, 50), single(order, WORLD, 10)
    )
    await house.post(bar(pending(bob, order, 20)), single(WORLD, FEES, 5))


async def test_every_invariant_holds_in_a_used_ledger(own_house: House) -> None:
    await lived_in(own_house)

    found = await own_house.holds()

    assert len(found) == 9
    assert all(
        one.details.endswith(" checked: ok") and not one.details.startswith("0 ") for one in found
    )


async def test_every_invariant_holds_in_an_empty_ledger(own_house: House) -> None:
    await own_house.holds()


@pytest.mark.parametrize(("tampering", "name"), TAMPERINGS)
async def test_tampering_is_found(own_house: House, tampering: str, name: str) -> None:
    await lived_in(own_house)
    own_house.rows("alter table ledger.transfers drop constraint transfers_amount_positive")
    own_house.rows(tampering)

    found = await own_house.service.check_invariants(marketplace_id=None)

    broken = [one.name for one in found if not one.holds]
    assert any(one.startswith(name) for one in broken), found


async def test_a_marketplace_checks_its_own_ledger_only(own_house: House) -> None:
    await lived_in(own_house)
    own_house.rows("update ledger.accounts set credits = credits + 1 where kind = 'user'")
    theirs = await own_house.service.check_invariants(marketplace_id=own_house.marketplace)

    own_house.marketplace = MarketplaceId(uuid.UUID(int=5))
    await lived_in(own_house)
    mine = await own_house.service.check_invariants(marketplace_id=own_house.marketplace)

    assert not all(one.holds for one in theirs)
    assert all(one.holds for one in mine)


async def test_offenders_are_named(own_house: House) -> None:
    ann = await own_house.user(5)
    own_house.rows("update ledger.accounts set credits = 99 where name = %s", ann)

    found = await own_house.service.check_invariants(marketplace_id=None)

    [broken] = [one for one in found if not one.holds]
    assert ann in broken.details
