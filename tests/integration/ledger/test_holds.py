"""Open holds, as an operator lists them: those of one marketplace that have not ended."""

import uuid

from kernel.ids import MarketplaceId
from tests.integration.ledger.conftest import House, escrow, pending, post, void


async def test_holds_are_listed_until_they_end(house: House) -> None:
    user = await house.user(1000)
    holds = [pending(user, escrow(), 100) for _ in range(4)]
    await house.post(*holds)
    await house.post(post(holds[0]), void(holds[1]))

    async def listed(after: int = 0, size: int = 20) -> list[tuple[int, uuid.UUID]]:
        found = await house.service.list_open_holds(
            marketplace_id=house.marketplace, after=after, size=size
        )
        return [(number, hold.id) for number, hold in found]

    found = await listed()
    assert [hold for _, hold in found] == [holds[2].id, holds[3].id]
    # One more than asked means that there is another page, which starts after a number.
    assert await listed(size=1) == found
    assert await listed(after=found[0][0]) == found[1:]
    house.marketplace = MarketplaceId(uuid.uuid4())
    assert await listed() == []
