"""The marketplaces of a deployment, read from the schema of the gateway, which owns them."""

import uuid
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

ALL = "all"
LIVE = "live"
CONNECT_SECONDS = 10
_LIST = "select id, name, environment from gateway.marketplaces order by name, environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A marketplace. environment: live or test; the two are separate marketplaces."""

    id: uuid.UUID
    name: str
    environment: str

    @property
    def label(self) -> str:
        """Return the marketplace's name in commands: shop, or shop:test."""
        return self.name if self.environment == LIVE else f"{self.name}:{self.environment}"


class NoSuchMarketplaceError(LookupError):
    """No marketplace has this name; the text lists the known ones."""


def listed(database_url: str) -> list[Named]:
    """Return all marketplaces by name.

    database_url: with a role that may read gateway.marketplaces. Raises: NoSuchMarketplaceError: no
    database is configured; psycopg.Error: the database cannot be read.
    """
    if not database_url:
        raise NoSuchMarketplaceError(
            "DATABASE_URL is required to look up marketplaces; without it, name one by its UUID"
        )
    with psycopg.connect(
        database_url, row_factory=class_row(Named), connect_timeout=CONNECT_SECONDS
    ) as connection:
        return connection.execute(_LIST).fetchall()


def chosen(text: str, *, database_url: str) -> list[Named]:
    """Return the marketplaces that an option names: all, or one by name, name:test or UUID.

    If no database is configured, a UUID is accepted without a look-up. Raises:
    NoSuchMarketplaceError; psycopg.Error: the database cannot be read.
    """
    wanted = _uuid(text)
    if wanted is not None and not database_url:
        return [Named(id=wanted, name=str(wanted), environment=LIVE)]
    known = listed(database_url)
    found = [one for one in known if text in (ALL, one.label) or one.id == wanted]
    if not found and text != ALL:
        labels = ", ".join(one.label for one in known) or "none"
        raise NoSuchMarketplaceError(f"unknown marketplace {text!r}; known: {labels}")
    return found


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
