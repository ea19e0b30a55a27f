"""The newest revision found by reading the migration files is the one that alembic finds."""

import pytest
from alembic.script import ScriptDirectory

from chassis.migrations.scripts import ENVIRONMENT, SCRIPTS, revisions


@pytest.mark.parametrize("schema", SCRIPTS)
def test_the_newest_revision_is_the_one_that_alembic_finds(schema: str) -> None:
    folder = str(SCRIPTS[schema])
    known = ScriptDirectory(str(ENVIRONMENT), version_locations=[folder])

    newest, all_of_them = revisions(SCRIPTS[schema])

    assert newest == known.get_current_head()
    assert all_of_them == {script.revision for script in known.walk_revisions()}
