"""One run of a command: connections to the services, and the marketplaces that it is about."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from deploy.operator.client import Operator
from deploy.operator.marketplaces import ALL, Named, chosen
from deploy.operator.reach import Services, connected
from deploy.operator.settings import Place
from kernel.errors import NotFound

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The connected services of a deployment, and the marketplaces that the command named.

    is_all: the command named all marketplaces.
    """

    services: Services
    marketplaces: Sequence[Named]
    is_all: bool

    @classmethod
    @asynccontextmanager
    async def of(cls, place: Place, *, marketplace: str) -> AsyncIterator["Session"]:
        """Connect. marketplace: a text as `marketplaces.chosen` accepts it.

        Raises: NoPlaceError; NoSuchMarketplaceError; psycopg.Error.
        """
        place.require_services()
        found = chosen(marketplace, database_url=place.database_url)
        async with connected(
            place.services, papers=place.require_papers(), name=place.operator
        ) as services:
            yield cls(services=services, marketplaces=found, is_all=marketplace == ALL)

    def operator(self, marketplace: Named) -> Operator:
        """Return the client for one marketplace."""
        return Operator(services=self.services, marketplace_id=marketplace.id)

    async def first(
        self, ask: Callable[[Operator], Awaitable[T]], *, missing: str
    ) -> tuple[Named, T]:
        """Ask one marketplace after another until one knows the id; ids are unique.

        missing: the reason with which a marketplace says that it does not know the id. Raises:
        NotFound: no marketplace knows it; whatever `ask` raises.
        """
        last = NotFound("This deployment has no marketplace")
        for marketplace in self.marketplaces:
            try:
                return marketplace, await ask(self.operator(marketplace))
            except NotFound as error:
                if error.reason != missing:
                    raise
                last = error
        raise last
