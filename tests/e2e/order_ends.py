"""Random orders between two people, and each way one can end."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import strategies as st

from tests.people import Person, answer_of, resolved
from tests.shop import Shop, data_of, until

REFUNDS = frozenset({"refund", "FULL_REFUND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An order and how it ends, in cents. part: the business's share of a split."""

    amount: int
    end: str
    part: int = 0

    @property
    def released(self) -> int:
        """The part of the amount that the business gets, before fees."""
        if self.end in REFUNDS:
            return 0
        return self.part if self.end == "SPLIT" else self.amount


def _splits(amount: int) -> st.SearchStrategy[Case]:
    parts = st.integers(1, amount - 1)
    return parts.map(lambda part: Case(amount=amount, end="SPLIT", part=part))


def _cases(most: int) -> st.SearchStrategy[Case]:
    ends = st.sampled_from(["confirm", "refund", "FULL_RELEASE", "FULL_REFUND"])
    whole = st.builds(Case, amount=st.integers(1, most), end=ends)
    return whole | st.integers(2, most).flatmap(_splits)


# Of little money, roundings are the most: as many cases of up to 2.00 as of up to 200.00.
CASES = _cases(200) | _cases(20_000)


async def ended(shop: Shop, people: tuple[Person, Person], case: Case) -> str:
    """Create an order, pay it, and end it as the case says; returns its id."""
    buyer, business = people
    order_id = await buyer.order(business, amount=spelled(case.amount))
    answer_of(await buyer.act(order_id, "pay"))
    if case.end == "confirm":
        answer_of(await buyer.act(order_id, "confirm"))
    elif case.end == "refund":
        data_of(await shop.act(order_id, "refund"))
    else:
        answer_of(await business.act(order_id, "dispute"), status=201)
        amounts = {"releaseAmount": spelled(case.part)}
        amounts["refundAmount"] = spelled(case.amount - case.part)
        await resolved(shop, order_id, case.end, **amounts if case.end == "SPLIT" else {})
    await shop.quiet(order_id)
    return order_id


async def wealth(shop: Shop, person: Person) -> Decimal:
    """Return a person's money, and check that ledger and chain agree."""
    found: list[Decimal] = []

    async def agreed() -> bool:
        wallet = await shop.get(f"/users/{person.id}/wallet")
        (held,) = (one["balance"] for one in wallet["balances"] if one["asset"] == "USDC")
        available, reserved = await shop.balance(str(person.id))
        found[:] = [Decimal(available), Decimal(held)]
        return found[0] == found[1] and Decimal(reserved) == 0

    await until(agreed, what="ledger and chain did not agree")
    return found[0]


def spelled(cents: int) -> str:
    """Format an amount."""
    return f"{cents // 100}.{cents % 100:02d}"
