"""Records operators' changes to the database. The services record the calls to themselves."""

import uuid
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from chassis import audit, identity
from chassis.audit import Change
from deploy.operator.marketplaces import CONNECT_SECONDS
from deploy.operator.settings import Place

_KEEP = "insert into gateway.operator_trail (operator, command, details) values (%s, %s, %s)"


def keep(place: Place, command: str, **details: object) -> None:
    """Record a command before it is carried out.

    details: the arguments, without secrets. Raises: psycopg.Error: do not carry the command out.
    """
    with psycopg.connect(place.database_url, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(_KEEP, (place.operator, command, Jsonb(details)))


def note(
    connection: psycopg.Connection[Any],
    schema: str,
    change: Change,
    *,
    marketplace_id: uuid.UUID,
    operator: str,
) -> None:
    """Write a change's line into the audit trail of a schema, in the change's transaction."""
    who = identity.operator(name=operator, marketplace_id=marketplace_id)
    with identity.acting_as(who):
        values = audit.values(change, marketplace_id=marketplace_id)
    path = sql.SQL("set local search_path to {}").format(sql.Identifier(schema))
    connection.execute(path)
    connection.execute(audit.INSERT, values)
