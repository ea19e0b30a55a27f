"""What one order and one user cost in XLM, by the devnet's model of the network's fees.

The same on every machine: the costs depend on the sizes of stored data and on the network's prices.
"""

import re
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop

from bench.flows import QUICK
from bench.measured import Measured, Part, Say
from bench.people import users
from bench.purchases import ESCROW, FUND, RELEASE, RESERVE, between, carry
from bench.stack import Stack
from deploy.local.rest import Marketplace
from deploy.local.settings import ROOT

ACTIONS = (RESERVE, ESCROW, FUND, RELEASE)
# The first orders of a buyer and of the network pay for entries that later orders find.
FIRST, ORDERS = 1, 4
USER, MADE_GOOD = "create_account", "make_good"
OF_ORDERS = (
    "deploy_escrow",
    "fund_escrow",
    "change_milestone_status",
    "approve_milestone",
    "release_funds",
    MADE_GOOD,
)
# An account needs two base reserves of half a lumen, its trustline one more.
RESERVED_LUMENS = 1.5
SECONDS, POLL_SECONDS = 60.0, 0.2
METRIC = re.compile(
    r'^orchestrator_escrow_fee_lumens_total\{.*?step="(\w+)".*?\} (\S+)$', re.MULTILINE
)
PAGE = ROOT / "docs/mainnet.md"
TABLE = re.compile(r"(?<=<!-- cost -->\n).*?(?=<!-- end of cost -->)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The prices of a network. title: describes the prices. settings: of the devnet."""

    name: str
    title: str
    settings: Mapping[str, str]


PRICES = (
    Prices(name="cost", title="main network, rent at its minimum", settings={}),
    Prices(
        name="cost-target",
        title="main network, rent at the target size of the state",
        settings={"DEVNET_RENT": "10000"},
    ),
    Prices(name="cost-test", title="test network", settings={"DEVNET_TTL": "test"}),
)


def parts() -> tuple[Part, ...]:
    """Return one part for the prices of each network."""
    return tuple(
        Part(
            name=one.name,
            seconds=15,
            settings={**QUICK, **one.settings},
            with_stack=partial(measure, one),
        )
        for one in PRICES
    )


def measure(prices: Prices, stack: Stack, say: Say) -> Measured:
    """Carry orders to their release, one after the other, and add up the fees of their steps."""
    say("the first order")
    uvloop.run(_orders(stack, FIRST))
    before = fees(stack, made_good=FIRST)
    say(f"{ORDERS} orders of a new buyer and a new seller")
    uvloop.run(_orders(stack, ORDERS))
    after = fees(stack, made_good=FIRST + ORDERS)
    return told(prices, before, after, orders=ORDERS, users=2)


def told(
    prices: Prices,
    before: Mapping[str, float],
    after: Mapping[str, float],
    *,
    orders: int,
    users: int,
) -> Measured:
    """Return the figures of an order and of a user."""
    spent = {step: after[step] - before.get(step, 0.0) for step in after}
    each = {step: spent.get(step, 0.0) / orders for step in OF_ORDERS}
    order, user = sum(each.values()), spent.get(USER, 0.0) / users
    steps = ", ".join(f"{step} {lumens:.4f}" for step, lumens in each.items())
    whole = f"an order costs {order:.4f} XLM, a user {user:.5f} XLM"
    lines = [f"{prices.title}: {whole} and {RESERVED_LUMENS} XLM of reserves", f"  {steps}"]
    figures = {f"{prices.name}.order": order, f"{prices.name}.user": user}
    figures |= {f"{prices.name}.{step}": lumens for step, lumens in each.items()}
    return Measured(figures=figures, lines=lines)


def fees(stack: Stack, *, made_good: int) -> dict[str, float]:
    """Read what each kind of step has cost, once this many releases have been reimbursed."""
    counted = "select count(*) from escrow.steps where name = 'make_good' and state = 'SUCCEEDED'"
    deadline = time.monotonic() + SECONDS
    while True:
        with stack.connect() as connection:
            row = connection.execute(counted).fetchone()
        if row is not None and row[0] >= made_good:
            break
        if time.monotonic() > deadline:
            raise TimeoutError("the releases were not made good")
        time.sleep(POLL_SECONDS)
    with urllib.request.urlopen(str(stack.document["metrics"]["escrow"])) as answer:  # noqa: S310 - our own address
        text = answer.read().decode()
    return {step: float(lumens) for step, lumens in METRIC.findall(text)}


def table(figures: Mapping[str, float]) -> str:
    """Return the table of docs/mainnet.md. Raises: KeyError: not all networks were measured."""
    rows = ["| | deploy | fund | the rest | an order, in XLM |", "|---|---|---|---|---|"]
    for one in PRICES:
        order = figures[f"{one.name}.order"]
        deploy = figures[f"{one.name}.deploy_escrow"]
        fund = figures[f"{one.name}.fund_escrow"]
        rest = order - deploy - fund
        rows.append(f"| {one.title} | {deploy:.3f} | {fund:.3f} | {rest:.3f} | {order:.2f} |")
    return "\n".join(rows) + "\n"


def write(figures: Mapping[str, float], *, page: Path = PAGE) -> bool:
    """Write the table into the page if every network was measured; return whether it was."""
    if not all(f"{one.name}.order" in figures for one in PRICES):
        return False
    text = page.read_text(encoding="utf-8")
    page.write_text(TABLE.sub(lambda _: table(figures), text), encoding="utf-8")
    return True


async def _orders(stack: Stack, count: int) -> None:
    document = stack.document
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        buyers, seller = await users(marketplace, document["faucetUrl"], 1)
    pairs = (pair for pair, _ in zip(between(buyers, seller), range(count), strict=False))
    done = await carry(stack.client, pairs, actions=ACTIONS, workers=1)
    if done.failures:
        raise RuntimeError(done.failures[0])
