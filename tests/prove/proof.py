"""A run: orders of three marketplaces on a stack under all disturbances, and the checks."""

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local import credentials
from deploy.local.nats_users import ADMIN
from deploy.local.settings import ROOT, child_environment
from deploy.local.wiring import with_user
from tests.prove.asking import Asker, History, Lost
from tests.prove.attending import Attendance
from tests.prove.check_answers import check_abandoned, check_answers, check_replays
from tests.prove.check_books import check_books
from tests.prove.check_chain import check_chain
from tests.prove.check_list import check_list
from tests.prove.check_stream import check_stream
from tests.prove.checking import Check, check
from tests.prove.deciding import Decider
from tests.prove.deployment import TRANSACTION_SECONDS, Deployment, deployment
from tests.prove.disturbing import Director, Done, Progress
from tests.prove.drill import Drill
from tests.prove.flows import Load
from tests.prove.market import Market, markets
from tests.prove.plan import plan
from tests.prove.restoring import Window
from tests.settings import ProofSize

# A lie lasts until the denied transaction has expired, retries included.
LIE_SECONDS = 2.0 * TRANSACTION_SECONDS + 4.0


@dataclass(slots=True, kw_only=True)
class Proof:
    """The size and the results of a run. at: from and to, by the wall's clock.

    unclaimed: transactions without a claim after the database was restored. requeued: the
    commands that an operator set going, and how often.
    """

    size: ProofSize
    at: tuple[float, float]
    ended: Sequence[float]
    done: Sequence[Done]
    unmet: int
    history: History
    lost: Lost
    unclaimed: Sequence[str]
    requeued: Counter[str] = field(default_factory=Counter)
    checks: list[Check] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        """Describe the failed checks."""
        return [found.describe() for found in self.checks if not found.holds]


async def prove(folder: Path, size: ProofSize) -> Proof:
    """Run a load of that size under disturbances; returns the results."""
    say = _speaker()
    say(f"seed {size.seed}: {size}")
    with (folder / "history.jsonl").open("w", buffering=1) as file:
        history = History(file)
        async with (
            deployment(folder, say=say) as running,
            markets(running.stack, history, rnd=random.Random(f"markets {size.seed}")) as made,
        ):
            say("the marketplaces are ready")
            decider = Decider(running=running, markets=made, window=Window())
            operator = Attendance(running, decider)
            proof = await _disturbed(running, made, operator, size)
            await _check(running, made, operator, proof)
    return proof


async def _disturbed(
    running: Deployment, made: Sequence[Market], operator: Attendance, size: ProofSize
) -> Proof:
    history = made[0].backend.history
    progress, window, began = Progress(), operator.decider.window, time.time()
    director = Director(
        deployment=running,
        plan=plan(size, lie_seconds=LIE_SECONDS),
        progress=progress,
        say=running.say,
    )
    drill = Drill(
        running=running,
        director=director,
        history=history,
        window=window,
        askers=askers_of(made),
    )
    director.restore = drill
    load = Load(
        markets=made,
        window=window,
        seed=size.seed,
        orders=size.orders,
        progress=progress,
        say=running.say,
    )
    attending = asyncio.create_task(operator.keep())
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(size.clients))
        group.create_task(director.run())
    attending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attending
    async with director.calm():
        pass
    return Proof(
        size=size,
        at=(began, time.time()),
        ended=progress.at,
        done=director.done,
        unmet=director.unmet,
        history=history,
        lost=window.spans,
        unclaimed=drill.unclaimed,
        requeued=operator.requeued,
    )


async def _check(
    running: Deployment, made: Sequence[Market], operator: Attendance, proof: Proof
) -> None:
    """Wait until everything has ended, and run all checks."""
    document = running.stack.document
    url, say = document["databaseUrl"], running.say
    say("the load has ended; waiting until all is quiet")

    def found(*checks: Check) -> None:
        proof.checks.extend(checks)
        for one in checks:
            say(one.describe())

    found(await operator.quiet())
    found(await check_replays(askers_of(made), proof.history, proof.lost))
    found(await operator.quiet())
    found(*check_answers(url, proof.history, proof.lost))
    found(*check_books(url))
    found(*await check_chain(document))
    password = credentials.load(running.stack.run_dir).nats[ADMIN]
    nats_url = with_user(document["natsUrl"], ADMIN, password)
    found(*await check_stream(url, nats_url=nats_url, authority=str(document["natsCaFile"])))
    found(*await check_list(url))
    found(check_abandoned(proof.history, operator.decider.abandoned))
    found(await _reconciled(running))


def askers_of(made: Sequence[Market]) -> Mapping[str, Asker]:
    """Return the clients by name."""
    everybody = [market.backend for market in made]
    everybody += [person for market in made for person in market.people]
    return {asker.name: asker for asker in everybody}


async def _reconciled(running: Deployment) -> Check:
    """Run `make reconcile` as an operator does."""
    done = await asyncio.to_thread(
        subprocess.run,
        ["make", "reconcile"],
        cwd=ROOT,
        env={**child_environment(), "RUN_DIR": str(running.stack.run_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    wrong = [] if done.returncode == 0 else [done.stdout[-2000:] + done.stderr[-500:]]
    return check("make reconcile ends with 0", len(lines), wrong)


def _speaker() -> Callable[[str], None]:
    started = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:7.1f} s  {line}\n")
        sys.stdout.flush()

    return say
