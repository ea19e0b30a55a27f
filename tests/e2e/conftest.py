"""Fixtures of the tests over REST: a marketplace's backend, and a look into the books."""

from collections.abc import AsyncIterator

import pytest

from deploy.local import credentials
from deploy.local.operator import Operator
from deploy.local.rest import Marketplace
from tests.books import Books
from tests.running_stack import RunningStack
from tests.shop import Shop


@pytest.fixture(scope="module")
async def shop(stack: RunningStack) -> AsyncIterator[Shop]:
    """The demo marketplace's backend."""
    async with Shop.of(stack) as opened:
        yield opened


@pytest.fixture
def books(stack: RunningStack) -> Books:
    """What the stack's database says."""
    return Books(stack)


@pytest.fixture(scope="module")
async def operator(stack: RunningStack) -> AsyncIterator[Operator]:
    """The operator's view of the demo marketplace."""
    document = stack.document
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        marketplace_id = await marketplace.marketplace_id()
    async with Operator.of(
        services=document["services"],
        secret=credentials.load(stack.run_dir).service_secret,
        marketplace_id=marketplace_id,
    ) as opened:
        yield opened
