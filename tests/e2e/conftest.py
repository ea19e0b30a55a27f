"""Fixtures of the REST tests: a client of the marketplace API, and access to the books."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.operator.client import Operator
from tests.books import Books, operator_of
from tests.collector import Collector, collector
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
    """A stack with PROVIDER_FEES=net: recipients bear the provider's fee."""
    with running_stack(tmp_path_factory.mktemp("net"), PROVIDER_FEES="net") as opened:
        yield opened


@pytest.fixture(scope="session")
def traces() -> Iterator[Collector]:
    """The traces that the programs of `watched_stack` have exported."""
    with collector() as found:
        yield found


@pytest.fixture(scope="session")
def watched_stack(
    tmp_path_factory: pytest.TempPathFactory, traces: Collector
) -> Iterator[RunningStack]:
    """A stack that traces every request, and compares its books with the chain every second."""
    with running_stack(
        tmp_path_factory.mktemp("watched"),
        RECONCILE_SECONDS="1",
        OTEL_EXPORTER_OTLP_ENDPOINT=traces.url,
        OTEL_TRACES_SAMPLER_ARG="1",
    ) as opened:
        yield opened
