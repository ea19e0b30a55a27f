"""Marketplaces and their API keys. Keys are kept as HMAC-SHA-256 only."""

from alembic import op

revision = "gateway_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; the gateway's role may read, add, and revoke."""
    op.execute(
        """
        create table gateway.marketplaces (
            id uuid primary key,
            name text not null check (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
            environment text not null check (environment in ('live', 'test')),
            created_at timestamptz not null default now(),
            unique (name, environment)
        );
        create table gateway.api_keys (
            id text primary key check (id ~ '^[0-9A-Za-z]{12}$'),
            marketplace_id uuid not null references gateway.marketplaces (id),
            name text not null check (length(name) <= 100),
            scopes text[] not null check (
                cardinality(scopes) > 0
                and scopes <@ array['read', 'write', 'support', 'admin']
            ),
            digest bytea not null unique check (length(digest) = 32),
            created_at timestamptz not null default now(),
            expires_at timestamptz,
            revoked_at timestamptz
        );
        create index api_keys_marketplace on gateway.api_keys (marketplace_id, created_at, id);
        grant select, insert on gateway.marketplaces to gateway;
        grant select, insert on gateway.api_keys to gateway;
        grant update (revoked_at) on gateway.api_keys to gateway;
        """
    )


def downgrade() -> None:
    """Drop the tables."""
    op.execute("drop table gateway.api_keys; drop table gateway.marketplaces")
