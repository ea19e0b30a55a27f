"""Marketplaces and their API keys. Of a key only its HMAC-SHA-256 is stored."""

from alembic import op

revision = "gateway_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables. The gateway's role may read and insert rows, and revoke keys."""
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
            revoked_at timestamptz,
            -- Of a request that may be repeated: its key, what was asked, and what the key's
            -- text is derived from; forgotten when the request's time is over.
            request_key text check (length(request_key) <= 300),
            fingerprint bytea check (length(fingerprint) = 32),
            salt bytea check (length(salt) = 32),
            unique (marketplace_id, request_key),
            check ((request_key is null) = (fingerprint is null)),
            check ((request_key is null) = (salt is null))
        );
        create index api_keys_marketplace on gateway.api_keys (marketplace_id, created_at, id);
        grant select, insert on gateway.marketplaces to gateway;
        grant select, insert on gateway.api_keys to gateway;
        grant update (revoked_at, request_key, fingerprint, salt) on gateway.api_keys to gateway;
        """
    )


def downgrade() -> None:
    """Drop the tables."""
    op.execute("drop table gateway.api_keys; drop table gateway.marketplaces")
