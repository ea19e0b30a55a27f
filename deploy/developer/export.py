"""`export`: print a list of the marketplace as CSV.

    orchestrator export orders --from 2026-02-01 --to 2026-03-01 > february.csv

The exit code is 3 if the file is incomplete: its last lines are missing then.
"""

import sys

import click

from deploy.developer.command import SHOWN, Session, calling
from deploy.operator.answers import Answer

STATEMENT = "statement"
LISTS = ("orders", "withdrawals", "platform", "fees", "fee-withdrawals", "audit", STATEMENT)


@calling("export", about=__doc__)
@click.argument("what", type=click.Choice(LISTS))
@click.option("--user", default="", help="Whose statement.")
@click.option("--from", "first", help="What was made from then on, such as 2026-02-01.")
@click.option("--to", "end", help="What was made before then.")
def command(
    session: Session, *, what: str, user: str, first: str | None, end: str | None
) -> Answer:
    """Print a CSV file. Raises: as the API refuses; ConnectionFailed: the file is incomplete."""
    if (what == STATEMENT) is not bool(user):
        raise click.UsageError("--user is required for a statement, and for no other list")
    api = session.api
    if what == STATEMENT:
        parts = api.export_statement(user, from_=first, to=end)
    else:
        method = {
            "orders": api.export_orders,
            "withdrawals": api.export_withdrawals,
            "platform": api.export_platform,
            "fees": api.export_fees,
            "fee-withdrawals": api.export_fee_withdrawals,
            "audit": api.export_audit,
        }[what]
        parts = method(from_=first, to=end)
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.flush()
    return SHOWN
