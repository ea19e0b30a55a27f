"""`migrate`: bring every schema to this release's revision.

One run at a time. It needs the DATABASE_URL of a role that may create schemas; for the embedded
stack it finds it. Programs of the previous release work with the newer schema: migrate first, then
replace them.
"""

from sqlalchemy.exc import DBAPIError

from chassis.migrations.__main__ import upgrade_all
from chassis.migrations.revisions import applied
from chassis.migrations.scripts import SCRIPTS
from deploy.operator.answers import Answer
from deploy.operator.command import doing
from deploy.operator.settings import Place
from deploy.operator.trail import keep
from kernel.errors import FailedPrecondition


@doing("migrate", about=__doc__)
def command(place: Place) -> Answer:
    """Migrate, and print the revisions before and after.

    Raises: NoPlaceError; FailedPrecondition; psycopg.Error: the database does not answer.
    """
    place.require_database()
    before = applied(place.database_url, SCRIPTS)
    try:
        upgrade_all(place.database_url)
    except DBAPIError as error:
        # Migrations before the failed one stay applied.
        raise FailedPrecondition(str(error.orig).strip(), reason="MIGRATION_REFUSED") from error
    after = applied(place.database_url, SCRIPTS)
    if after != before:
        # Recorded after the migration, because the migration may create the trail's table.
        keep(place, "migrate", **after)
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
