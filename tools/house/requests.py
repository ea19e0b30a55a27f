"""Counts the files that a request passes, on a running stack, one request after the other.

The tree is copied together with `tracer.py`. Then its stack is started, left idle for a while, and
used for one purchase. A background loop counts for a request if it ran a function that it does not
run while idle; then all its files count.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import httpx

from deploy.local.ports import free_ports
from deploy.local.rest import Marketplace
from deploy.local.settings import PORTS, child_environment
from tools.house import tracer

FOLDERS = ("kernel", "chassis", "services", "gateway", "devnet", "deploy", "gen", "protos")
START_SECONDS = 120.0
STEP_SECONDS = 60.0
# Long enough for each background loop to run.
IDLE_SECONDS = 12.0
# How long the consequences of a request may take: its events on the bus, and their consumers.
SETTLE_SECONDS = 4.0
DEPOSIT, ALL_DEPOSITS = "20.00", "60.00"
BUYER, SELLER = "usr_house_buyer", "usr_house_seller"

# By program: root, file and function of each call.
Calls = Mapping[str, frozenset[tuple[str, str, str]]]


@dataclass(frozen=True, slots=True)
class Passed:
    """How many files a request passes, and the most that one program passes."""

    files: int
    most: int


def passed(tree: Path, folder: Path) -> dict[str, Passed]:
    """Trace a purchase in a copy of a tree in a folder; return the figures by request.

    Raises: RuntimeError: the stack does not start, or a request does not end.
    """
    for name in FOLDERS:
        shutil.copytree(
            tree / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".run")
        )
    shutil.copy(tracer.__file__, folder / "sitecustomize.py")
    with _stack(folder) as document:
        return asyncio.run(_measure(document, folder / "traces"))


def counted(calls: Calls, idle: Calls) -> Passed:
    """Count the files of calls that an idle stack would not have made."""
    files: dict[str, set[str]] = {}
    for program, found in calls.items():
        by_root = defaultdict(set)
        for call in found:
            by_root[call[0]].add(call)
        files[program] = {
            file
            for of_root in by_root.values()
            if not of_root <= idle.get(program, frozenset())
            for _, file, _ in of_root
        }
    own = [
        sum(file.startswith(program.replace(".", "/")) for file in found)
        for program, found in files.items()
    ]
    return Passed(files=len(set().union(*files.values())), most=max(own, default=0))


@contextlib.contextmanager
def _stack(folder: Path) -> Iterator[dict[str, Any]]:
    run_dir = folder / "run"
    environment = child_environment(
        RUN_DIR=str(run_dir),
        PORT_BASE=str(free_ports(len(PORTS))),
        DEVNET_LEDGER_SECONDS="0.2",
        # The tracer identifies programs by their command lines.
        FORK_PROGRAMS="off",
        PYTHONPATH=os.pathsep.join((str(folder), str(folder / "gen"))),
        PYTHONDONTWRITEBYTECODE="1",
    )
    log = folder / "stack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not (run_dir / "stack.json").is_file():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the stack did not start:\n{log.read_text()}")
                time.sleep(0.1)
            yield json.loads((run_dir / "stack.json").read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STEP_SECONDS)


async def _measure(document: Mapping[str, Any], traces: Path) -> dict[str, Passed]:
    async with _purchase(document) as (marketplace, address):
        price = {"amount": "10.00"}
        order = await marketplace.post(
            "/orders", {"buyerId": BUYER, "sellerId": SELLER, "title": "Logo", **price}
        )
        path = f"/orders/{order['id']}"
        # Once before counting: what only the first request does is not part of a request.
        for _ in range(2):
            await _pay(document["faucetUrl"], address)
        await asyncio.sleep(SETTLE_SECONDS)
        _calls(traces)
        await asyncio.sleep(IDLE_SECONDS)
        idle = _calls(traces)

        await _pay(document["faucetUrl"], address)
        await asyncio.sleep(SETTLE_SECONDS)
        found = {"deposit": counted(_calls(traces), idle)}
        await _require_balance(marketplace)
        _calls(traces)
        for name, action, body in (
            ("reserve", "reserve", price),
            ("create escrow", "escrow", None),
            ("fund", "escrow/fund", None),
            ("release", "resolution/release", {"requestedBy": "BUYER"}),
        ):
            await marketplace.post(f"{path}/{action}", body)
            await asyncio.sleep(SETTLE_SECONDS)
            found[name] = counted(_calls(traces), idle)
        return found


@contextlib.asynccontextmanager
async def _purchase(document: Mapping[str, Any]) -> AsyncIterator[tuple[Marketplace, str]]:
    """Register both sides; yield the API, and the address of the buyer's wallet."""
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        for user, kind in ((BUYER, "BUYER"), (SELLER, "SELLER")):
            await marketplace.post("/users", {"externalUserId": user, "id": user, "type": kind})
        for user in (SELLER, BUYER):
            deposit = await marketplace.get(f"/users/{user}/wallet/deposit")
        yield marketplace, deposit["address"]


async def _pay(faucet: str, address: str) -> None:
    """Pay to the buyer's wallet; retry while its account is not on chain yet."""
    deadline = time.monotonic() + STEP_SECONDS
    body = {"address": address, "amount": DEPOSIT}
    async with httpx.AsyncClient() as client:
        while not (await client.post(faucet, json=body)).is_success:
            if time.monotonic() > deadline:
                raise RuntimeError("the faucet does not pay")
            await asyncio.sleep(0.1)


async def _require_balance(marketplace: Marketplace) -> None:
    """Check that the deposits have arrived in time. Raises: RuntimeError."""
    balance = await marketplace.get(f"/users/{BUYER}/balance")
    if balance["available"] != ALL_DEPOSITS:
        raise RuntimeError(f"the buyer has {balance['available']}, and not {ALL_DEPOSITS}")


def _calls(traces: Path) -> Calls:
    """Ask every program which calls it made since the last question."""
    found = {}
    for address in sorted(traces.iterdir()):
        program = address.name.rpartition(".")[0]
        with Client(str(address), "AF_UNIX") as program_trace:
            calls = json.loads(program_trace.recv_bytes())
        found[program] = frozenset((root, file, function) for root, file, function in calls)
    return found
