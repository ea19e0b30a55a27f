"""A table of its own for the stored answers of all repeatable requests."""

from alembic import op

from chassis import idempotency

revision = "gateway_0002"
down_revision = "gateway_0001"
branch_labels = None
depends_on = None

# An answer is the id of a key. A key's text is not stored: it is derived from the key's salt.
KNOWN = """
insert into gateway.idempotency
    (marketplace_id, scope, key, fingerprint, state, body, created_at)
select marketplace_id, '', request_key, fingerprint, 'done', convert_to(id, 'UTF8'), created_at
from gateway.api_keys where request_key is not null;
"""
# The constraints of these columns are dropped together with the columns.
MOVED = "alter table gateway.api_keys drop column request_key, drop column fingerprint;"
GRANTS = "grant select, insert, update, delete on gateway.idempotency to gateway;"
BACK = """
alter table gateway.api_keys
    add column request_key text check (length(request_key) <= 300),
    add column fingerprint bytea check (length(fingerprint) = 32);
update gateway.api_keys k set request_key = i.key, fingerprint = i.fingerprint
from gateway.idempotency i
where i.state = 'done' and k.salt is not null
    and k.marketplace_id = i.marketplace_id and i.body = convert_to(k.id, 'UTF8');
update gateway.api_keys set salt = null where request_key is null;
alter table gateway.api_keys
    add unique (marketplace_id, request_key),
    add check ((request_key is null) = (fingerprint is null)),
    add check ((request_key is null) = (salt is null));
grant update (request_key, fingerprint) on gateway.api_keys to gateway;
drop table gateway.idempotency;
"""


def upgrade() -> None:
    """Create the table, and copy the requests for keys that can still be repeated."""
    for statements in (idempotency.DDL.format(schema="gateway"), KNOWN, MOVED, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Move the requests for keys back into the table of keys, and delete all others."""
    op.execute(BACK)
