"""The tables of the schema webhooks; migrations/ creates them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

metadata = sa.MetaData()

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("event_types", ARRAY(sa.Text), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("disabled_why", sa.Text),
    sa.Column("disabled_at", sa.DateTime(timezone=True)),
    sa.Column("secret_number", sa.Integer, nullable=False),
    sa.Column("previous_until", sa.DateTime(timezone=True)),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
)

# sequence: follows the order of the stream. last_…: the last attempt.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("webhook_id", sa.Uuid, nullable=False),
    sa.Column("sequence", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("event_type", sa.Text, nullable=False),
    sa.Column("aggregate_type", sa.Text, nullable=False),
    sa.Column("aggregate_id", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
    sa.Column("lease_epoch", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Column("last_at", sa.DateTime(timezone=True)),
    sa.Column("last_url", sa.Text),
    sa.Column("last_milliseconds", sa.Integer),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_answer", sa.Text),
    sa.Column("last_trouble", sa.Text),
)

# The list of events. sequence: follows the order of the stream. packed: the body in few bytes, and
# the column `body` is empty then.
events = sa.Table(
    "events",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("aggregate_type", sa.Text, nullable=False),
    sa.Column("aggregate_id", sa.Text, nullable=False),
    sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("packed", sa.LargeBinary),
)

# One row: the place in the stream up to which events are in the list. packs_from: before this
# instant, processes of the version before may read the list.
recording = sa.Table(
    "recording",
    metadata,
    sa.Column("is_only", sa.Boolean, primary_key=True),
    sa.Column("made", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("packs_from", sa.DateTime(timezone=True), nullable=False),
)

# One row: the place in the stream up to which deliveries are written.
intake = sa.Table(
    "intake",
    metadata,
    sa.Column("is_only", sa.Boolean, primary_key=True),
    sa.Column("made", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)
