"""Envelopes are kept as bytes, and until their account signs the next one."""

from alembic import op

revision = "escrow_0009"
down_revision = "escrow_0008"
branch_labels = None
depends_on = None

# One row an account, overwritten by its next envelope: an account has one envelope at most that
# may be sent again. Its hash says whose attempt it is. The fill factor leaves space in the page for
# the next version, which then needs no new index entry and whose place is used again. attempts
# keeps the column for rows of the version before.
ENVELOPES = """
create table escrow.envelopes (
    source text primary key,
    hash text not null,
    envelope bytea not null
) with (fillfactor = 20);
alter table escrow.envelopes alter column envelope set storage main;
alter table escrow.attempts alter column envelope_xdr set default '';
grant select, insert, update on escrow.envelopes to escrow;
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(ENVELOPES)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
