"""What the last check of each marketplace's books has found."""

from alembic import op

revision = "ledger_0010"
down_revision = "ledger_0009"
branch_labels = None
depends_on = None

# money, invariants: JSON, which is only shown. What they say is computed from the other tables.
BOOKS = """
create table ledger.books (
    marketplace_id uuid primary key,
    checked_at timestamptz not null,
    took_milliseconds bigint not null check (took_milliseconds >= 0),
    money text not null,
    invariants text not null
);
grant select, insert, update (checked_at, took_milliseconds, money, invariants)
    on ledger.books to ledger;
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(BOOKS)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
