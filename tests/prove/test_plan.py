"""The plan of disturbances follows from its seed, has the requested size, and covers all parts."""

from collections import Counter

import pytest

from tests.prove.links import LINKS, name_of
from tests.prove.plan import KILLED, Disturbance, Kind, plan
from tests.prove.proxy import Mode
from tests.settings import ProofSize


def drawn(*, seed: int = 1, orders: int = 2000) -> list[Disturbance]:
    size = ProofSize(
        seed=seed,
        clients=1,
        orders=orders,
        kills=500,
        pauses=30,
        network_faults=150,
        chain_faults=1000,
        lies=5,
        restores=2,
        copy_seconds=60,
    )
    return plan(size, lie_seconds=20)


def test_plan_is_determined_by_its_seed() -> None:
    assert drawn(seed=7) == drawn(seed=7)
    assert drawn(seed=7) != drawn(seed=8)


@pytest.mark.parametrize("orders", [1, 12, 2000])
def test_plan_has_the_requested_number_of_each_kind_before_the_last_order(orders: int) -> None:
    found = drawn(orders=orders)

    counts: Counter[Kind] = Counter()
    for one in found:
        counts[one.kind] += one.count
    assert counts == {
        Kind.KILL: 500,
        Kind.PAUSE: 30,
        Kind.NETWORK: 150,
        Kind.CHAIN: 1000,
        Kind.LIE: 5,
        Kind.RESTORE: 2,
    }
    assert all(0 <= one.after < orders for one in found)


def test_plan_kills_every_part_and_breaks_every_link_in_every_mode() -> None:
    found = drawn()

    assert {one.target for one in found if one.kind is Kind.KILL} == set(KILLED)
    network = [one for one in found if one.kind is Kind.NETWORK]
    assert {one.target for one in network} == {name_of(link) for link in LINKS}
    assert {one.detail["mode"] for one in network} == set(Mode) - {Mode.PASS}
