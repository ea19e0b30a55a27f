"""Checks against the network's own records: balances as booked, each payment once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import httpx
from stellar_sdk import Asset, scval, xdr

from deploy.local.demo.chain import Chain
from tests.prove.checking import Check, check, read

PAGE = 1000
_WALLETS: LiteralString = """
select w.marketplace_id, w.user_id, w.address, coalesce(sum(a.credits - a.debits), 0)::bigint
    as posted
from escrow.wallets w left join ledger.accounts a
on a.marketplace_id = w.marketplace_id and a.name = 'user:' || w.user_id
group by 1, 2, 3
"""
_CONTRACTS: LiteralString = """
select e.order_id, e.contract_id, e.state, e.amount,
       coalesce(a.credits - a.debits, 0)::bigint as posted
from escrow.escrows e left join ledger.accounts a
on a.marketplace_id = e.marketplace_id and a.name = 'escrow:' || e.order_id
"""
_ATTEMPTS: LiteralString = """
select s.id, count(*) as landed from escrow.attempts a join escrow.steps s on s.id = a.step_id
where a.state = 'SUCCEEDED' group by 1 having count(*) > 1
"""
_HASHES: LiteralString = "select hash from escrow.attempts where state = 'SUCCEEDED'"
_PLATFORM: LiteralString = "select address from escrow.platform"
# Before money is in a contract, and while it is.
EMPTY, FULL = ("CREATING", "CREATED", "FUNDING", "FAILED"), ("FUNDED", "DISPUTED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """A transfer of the asset, as an event of the network tells it; amount in minor units."""

    giver: str
    taker: str
    amount: int
    hash: str


async def check_chain(document: Mapping[str, Any]) -> list[Check]:
    """Compare the books with balances on chain, and with every transfer there ever was."""
    url = document["databaseUrl"]
    paid = await transfers(document)
    contracts = read(url, _CONTRACTS)
    return [
        *await _check_balances(document, contracts),
        check_contracts(contracts, paid),
        check("no step has landed twice", len(paid), read(url, _ATTEMPTS)),
        _check_origins(url, contracts, paid),
    ]


async def _check_balances(
    document: Mapping[str, Any], contracts: Sequence[Mapping[str, Any]]
) -> list[Check]:
    wallets = read(document["databaseUrl"], _WALLETS)
    async with Chain.of(document) as chain:
        poor = [
            (row["user_id"], row["posted"], found)
            for row in wallets
            if (found := await chain.account_balance(row["address"])) != row["posted"]
        ]
        wrong = [
            (row["order_id"], row["state"], row["posted"], found)
            for row in contracts
            if (found := await chain.contract_balance(row["contract_id"])) != row["posted"]
        ]
    return [
        check("each user's wallet holds what the ledger says", len(wallets), poor),
        check("each contract holds what the ledger says", len(contracts), wrong),
    ]


def check_contracts(contracts: Sequence[Mapping[str, Any]], paid: Sequence[Paid]) -> Check:
    """Check that each contract has at most one funding and at most one payout. Pure."""
    into: dict[str, list[Paid]] = defaultdict(list)
    out: dict[str, list[Paid]] = defaultdict(list)
    for one in paid:
        into[one.taker].append(one)
        out[one.giver].append(one)
    wrong = []
    for row in contracts:
        funded, spent = into[row["contract_id"]], out[row["contract_id"]]
        due_in = 0 if row["state"] in EMPTY else row["amount"]
        due_out = 0 if row["state"] in (*EMPTY, *FULL) else row["amount"]
        if (
            sum(one.amount for one in funded) != due_in
            or sum(one.amount for one in spent) != due_out
            or len(funded) > 1
            or len({one.hash for one in spent}) > 1
        ):
            wrong.append((row["order_id"], row["state"], row["amount"], funded, spent))
    return check(
        "by the network's own events, each contract was funded and paid out at most once",
        len(contracts),
        wrong,
    )


def _check_origins(url: str, contracts: Sequence[Mapping[str, Any]], paid: Sequence[Paid]) -> Check:
    """Check that every payment of the platform or of one of its contracts is known."""
    ours = {row["contract_id"] for row in contracts}
    ours |= {row["address"] for row in read(url, _PLATFORM)}
    known = {row["hash"] for row in read(url, _HASHES)}
    moved = {one.hash for one in paid if one.giver in ours}
    return check(
        "every transaction that paid out of our accounts is in the books",
        len(moved),
        moved - known,
    )


async def transfers(document: Mapping[str, Any]) -> list[Paid]:
    """Read every transfer of the asset from the network's events, oldest first."""
    asset = Asset("USDC", document["usdcIssuer"])
    contract = asset.contract_id(document["networkPassphrase"])
    topic = scval.to_symbol("transfer").to_xdr()
    found: list[Paid] = []
    async with httpx.AsyncClient(timeout=60) as client:

        async def ask(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
            call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            answer = (await client.post(document["rpcUrl"], json=call)).json()
            result: dict[str, Any] = answer["result"]
            return result

        kind = {"type": "contract", "contractIds": [contract], "topics": [[topic, "*", "*", "*"]]}
        oldest = (await ask("getHealth", {}))["oldestLedger"]
        where: dict[str, Any] = {"startLedger": oldest, "pagination": {"limit": PAGE}}
        while True:
            page = await ask("getEvents", {"filters": [kind], **where})
            found += [_paid(event) for event in page["events"]]
            before, cursor = where["pagination"].get("cursor"), page.get("cursor")
            if not cursor or cursor == before or _ledger(cursor) >= page["latestLedger"] - 1:
                return found
            where = {"pagination": {"limit": PAGE, "cursor": cursor}}


def _ledger(cursor: str) -> int:
    return int(cursor.partition("-")[0]) >> 32


def _paid(event: Mapping[str, Any]) -> Paid:
    topics = [xdr.SCVal.from_xdr(topic) for topic in event["topic"]]
    value = xdr.SCVal.from_xdr(event["value"])
    if value.type is xdr.SCValType.SCV_MAP:
        value = scval.from_struct(value)["amount"]
    return Paid(
        giver=scval.from_address(topics[1]).address,
        taker=scval.from_address(topics[2]).address,
        amount=scval.from_int128(value),
        hash=event["txHash"],
    )
