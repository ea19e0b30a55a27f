"""`doctor`: check every part of a deployment and of its network.

For each problem it says what to do, or names the section of docs/runbook.md. It checks the
services, the operator's key, schema revisions, clocks, NATS, the signature of the last deposit, and
the chain's node. Escrow checks its nodes, the contract's code and factories, the accounts, and
whether the platform's lumens last. A part whose setting is missing is unknown, which is not a
problem: DATABASE_URL, NATS_URL, ESCROW_EVENT_KEYS, STELLAR_RPC_URL, STELLAR_NETWORK_PASSPHRASE.
Exit code 1 if something is wrong.
"""

import asyncio
from dataclasses import asdict

from deploy.operator.answers import DONE, REFUSED, Answer
from deploy.operator.checks import WRONG, Check, all_of
from deploy.operator.command import doing
from deploy.operator.settings import Place


@doing("doctor", about=__doc__)
def command(place: Place) -> Answer:
    """Check every part. Raises: NoPlaceError."""
    place.require_services()
    found = asyncio.run(all_of(place))
    is_well = all(one.state != WRONG for one in found)
    return Answer(
        lines=[_line(one) for one in found],
        document={"isWell": is_well, "checks": [asdict(one) for one in found]},
        exit_code=DONE if is_well else REFUSED,
    )


def _line(found: Check) -> str:
    where = f'; docs/runbook.md, "{found.section}"' if found.section else ""
    where = f"; {found.todo}" if found.todo else where
    mark = found.state.upper() if found.state == WRONG else found.state
    return f"{mark:8} {found.name:10} {found.says}{where}"
