"""The trail of what operators ask of a database itself; what they ask of services, those keep."""

import psycopg
from psycopg.types.json import Jsonb

from deploy.operator.marketplaces import CONNECT_SECONDS
from deploy.operator.settings import Place

_KEEP = "insert into gateway.operator_trail (operator, command, details) values (%s, %s, %s)"


def keep(place: Place, command: str, **details: str | int | bool | None) -> None:
    """Write down that a command was asked for, before it is carried out.

    details: what of it matters, never a secret. Raises: psycopg.Error: it must not be carried out.
    """
    with psycopg.connect(place.database_url, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(_KEEP, (place.operator, command, Jsonb(details)))
