"""The request log: the requests of each credential with their statuses, kept for some days."""

from alembic import op

revision = "gateway_0006"
down_revision = "gateway_0005"
branch_labels = None
depends_on = None

# A request's id contains its instant.
LOG = """
create table gateway.requests (
    marketplace_id uuid not null,
    id uuid not null,
    actor text not null,
    role text not null,
    method text not null,
    route text not null,
    path text not null,
    status smallint not null,
    code text not null,
    message text not null,
    milliseconds bigint not null,
    request_id text not null,
    idempotency_key text not null,
    primary key (marketplace_id, id)
);
create index requests_actor on gateway.requests (marketplace_id, actor, id);
create index requests_request on gateway.requests (marketplace_id, request_id, id);
grant select, insert, delete on gateway.requests to gateway;
"""


def upgrade() -> None:
    """Create the table. The gateway inserts rows and deletes old rows."""
    op.execute(LOG)


def downgrade() -> None:
    """Refuse: a schema only goes forward."""
    raise RuntimeError("migrations go forward only")
