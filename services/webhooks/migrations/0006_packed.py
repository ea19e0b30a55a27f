"""Events of the list are packed."""

from alembic import op

revision = "webhooks_0006"
down_revision = "webhooks_0005"
branch_labels = None
depends_on = None

# packed: the body in few bytes (packing.py); null: it is in body, which is empty otherwise. A
# process of the version before reads the body only. So nothing is packed before packs_from, by when
# the last of them is replaced; where no event was ever read, there is none.
PACKED = """
alter table webhooks.events
    add column packed bytea,
    add constraint events_packed check ((packed is null) = (body <> '')) not valid;
alter table webhooks.recording
    add column packs_from timestamptz not null default now() + interval '7 days';
update webhooks.recording set packs_from = now() where made = '';
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(PACKED)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
