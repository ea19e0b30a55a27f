"""`stuck`: list what makes no progress.

These are commands, operations, money that is held for no order, and changes of orders' contracts
by others. `STUCK`, `HELD`, `BLIND` and `FOREIGN` need an operator. `runs` is an operation that
takes long. `waits` continues without help. Exit code 1 if something needs an operator.
docs/runbook.md has a section for each.
"""

import datetime as dt
from typing import Any

import click

from deploy.operator.answers import DONE, REFUSED, Answer
from deploy.operator.client import Operator
from deploy.operator.command import asking
from deploy.operator.open_concerns import unsettled
from deploy.operator.placing import misplaced
from deploy.operator.session import Session

MINUTES = 5
# An order in one of these states has an operation in progress, or leaves the state at once.
STATES = (
    "ESCROW_CREATING",
    "ESCROW_FUNDING",
    "RELEASE_REQUESTED",
    "REFUND_REQUESTED",
    "DISPUTED",
)
NEEDS_YOU = frozenset({"STUCK", "HELD", "BLIND", "FOREIGN"})


@asking("stuck", about=__doc__)
@click.option(
    "--minutes",
    type=click.IntRange(0, 10_080),
    default=MINUTES,
    show_default=True,
    help="List operations that have run for longer.",
)
async def command(session: Session, *, minutes: int) -> Answer:
    """List what makes no progress. Raises: as `Operator`."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
    found = [
        {"marketplace": marketplace.label, **one}
        for marketplace in session.marketplaces
        for one in await _of(session.operator(marketplace), before)
    ]
    needs = sum(one["mark"] in NEEDS_YOU for one in found)
    return Answer(
        lines=[
            *(f"{one['mark']:7} {one['says']}  [{one['marketplace']}]" for one in found),
            f"{len(found)} found, {needs} of them need an operator",
        ],
        document={"stuck": found},
        exit_code=REFUSED if needs else DONE,
    )


async def _of(operator: Operator, before: dt.datetime) -> list[dict[str, Any]]:
    concerns = await unsettled(operator)
    found = [_one("FOREIGN", one.order_id, one.since, one.describe()) for one in concerns.changes]
    if concerns.hold is not None:
        found.append(_one("HELD", "", concerns.hold.since, concerns.hold.describe()))
    if concerns.blindness is not None:
        found.append(_one("BLIND", "", concerns.blindness.since, concerns.blindness.describe()))
    for one in concerns.commands:
        mark = "STUCK" if one in concerns.quarantined else "waits"
        found.append(_one(mark, one.id, one.since, one.describe()))
    found += [_one("STUCK", one.order_id, "", one.describe()) for one in await misplaced(operator)]
    for state in STATES:
        for order in await operator.orders_in(state):
            now = order.operation
            if now is None or dt.datetime.fromisoformat(now.since) > before:
                continue
            where = f"{now.kind} of order {order.id} at {now.step}"
            says = f"{where}, {now.attempts} attempts, {now.since}"
            found.append(_one("runs", order.id, now.since, says))
    return found


def _one(mark: str, about: str, since: str, says: str) -> dict[str, Any]:
    """Return one entry as a JSON document.

    about: the id of a command or order. since: ISO 8601; "": unknown.
    """
    return {"mark": mark, "id": about, "since": since, "says": says}
