"""Orders are found by the words of their title and description."""

from alembic import op

revision = "orders_0019"
down_revision = "orders_0018"
branch_labels = None
depends_on = None

# The primary key is walked newest first, for one word of one marketplace.
WORDS = """
create table orders.words (
    marketplace_id uuid not null,
    word text not null check (length(word) between 1 and 40),
    order_id uuid not null,
    primary key (marketplace_id, word, order_id)
);
grant select, insert on orders.words to orders;
"""
# Orders whose words are not written down yet. The trigger appends for every version of the service
# that writes an order.
DUE = """
create table orders.words_due (marketplace_id uuid not null, order_id uuid not null);
grant select, insert, update, delete on orders.words_due to orders;
create function orders.note_words() returns trigger language plpgsql as $$
begin
    insert into orders.words_due (marketplace_id, order_id) values (new.marketplace_id, new.id);
    return null;
end $$;
create trigger note_words after insert on orders.orders
    for each row execute function orders.note_words();
"""
# Some orders may be due twice; their words are written once.
BEFORE = """
insert into orders.words_due (marketplace_id, order_id) select marketplace_id, id from orders.orders
"""


def upgrade() -> None:
    """Make the tables; the orders of before are due after the trigger's lock is given back."""
    op.execute(WORDS)
    op.execute(DUE)
    with op.get_context().autocommit_block():
        op.execute(BEFORE)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
