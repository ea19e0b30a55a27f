"""Fee bumps: the second hash of an envelope for which another account than its source pays."""

from alembic import op

revision = "escrow_0024"
down_revision = "escrow_0023"
branch_labels = None
depends_on = None

# Events and explorers name a transaction by the fee bump in which it landed. "": it was in none, or
# its source has paid.
COLUMNS = """
alter table escrow.attempts add column bump_hash text not null default '';
alter table escrow.findings add column bump_hash text not null default '';
"""


def upgrade() -> None:
    """Add the hashes, and index those that there are beside the services that write."""
    op.execute(COLUMNS)
    with op.get_context().autocommit_block():
        op.execute(
            "create index concurrently attempts_bump on escrow.attempts (bump_hash)"
            " where bump_hash <> ''"
        )


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
