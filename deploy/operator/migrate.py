"""`migrate`: bring every schema to the revision of this release, one run at a time.

It asks for DATABASE_URL of a role that may make schemas; of the embedded stack it knows it.
Programs of the release before go on with the newer schema: migrate first, then replace them.
"""

from sqlalchemy.exc import DBAPIError

from chassis.migrations.__main__ import SCRIPTS, upgrade_all
from chassis.migrations.revisions import applied
from deploy.operator.answers import Answer
from deploy.operator.command import doing
from deploy.operator.settings import Place
from kernel.errors import FailedPrecondition


class MigrationRefused(FailedPrecondition):
    """The database refused a migration; what was applied before stays."""

    reason = "MIGRATION_REFUSED"


@doing("migrate", about=__doc__)
def command(place: Place) -> Answer:
    """Migrate, and say from where to where.

    Raises: NoPlaceError; MigrationRefused; psycopg.Error: the database does not answer.
    """
    place.require_database()
    before = applied(place.database_url, SCRIPTS)
    try:
        upgrade_all(place.database_url)
    except DBAPIError as error:
        raise MigrationRefused(str(error.orig).strip()) from error
    after = applied(place.database_url, SCRIPTS)
    return Answer(
        lines=[_line(schema, before[schema], after[schema]) for schema in SCRIPTS],
        document={
            "schemas": [
                {"schema": schema, "before": before[schema] or None, "after": after[schema]}
                for schema in SCRIPTS
            ]
        },
    )


def _line(schema: str, before: str, after: str) -> str:
    if before == after:
        return f"{schema}: at {after}, nothing to do"
    return f"{schema}: {before or 'nothing'} → {after}"
