"""A key of its own for who resolves disputes."""

from alembic import op

revision = "escrow_0016"
down_revision = "escrow_0015"
branch_labels = None
depends_on = None

# One row. Contracts of versions before name the platform as their resolver: '' in escrows.
RESOLVER = """
create table escrow.resolver (
    address text primary key,
    sealed jsonb not null,
    is_only boolean not null default true unique check (is_only)
);
grant select, insert on escrow.resolver to escrow;
grant update (sealed) on escrow.resolver to escrow;
alter table escrow.escrows add column resolver text not null default '';
"""


def upgrade() -> None:
    """Make the table, and name the resolver of each contract."""
    op.execute(RESOLVER)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
