"""Fixtures of the tests over REST: a marketplace's backend, and a look into the books."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.operator.client import Operator
from tests.books import Books, operator_of
from tests.running_stack import RunningStack, running_stack
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
    async with operator_of(stack) as opened:
        yield opened


@pytest.fixture(scope="session")
def net_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that leaves the provider's fees with who is paid."""
    with running_stack(tmp_path_factory.mktemp("net"), PROVIDER_FEES="net") as opened:
        yield opened
