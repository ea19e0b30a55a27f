"""The record of operators' changes to the database; services record the calls to them."""

import psycopg
from psycopg.types.json import Jsonb

from deploy.operator.marketplaces import CONNECT_SECONDS
from deploy.operator.settings import Place

_KEEP = "insert into gateway.operator_trail (operator, command, details) values (%s, %s, %s)"


def keep(place: Place, command: str, **details: object) -> None:
    """Record a command before it is carried out.

    details: its arguments, without secrets. Raises: psycopg.Error: it must not be carried out.
    """
    with psycopg.connect(place.database_url, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(_KEEP, (place.operator, command, Jsonb(details)))
