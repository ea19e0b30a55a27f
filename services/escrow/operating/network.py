"""Checks what the network must have before a first order: nodes, contracts, accounts, lumens.

Every check finds one thing well, wrong or unknown, and says what to do. Nothing is changed.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kernel.clock import Clock
from kernel.errors import DomainError
from kernel.money import UNIT
from services.escrow.contracts.evidence import AccountView, NodeView
from services.escrow.contracts.intents import DeployEscrow, Roles
from services.escrow.contracts.wording import ORDER
from services.escrow.ports import Chain, ChainRefused, FeesTooHigh
from services.escrow.sending.lifetimes import LEDGERS_A_DAY
from services.escrow.sending.places import wrong_with
from services.escrow.stellar.nodes import NEWEST_PROTOCOL
from services.escrow.wallets.keyring import Keyring

# A node that keeps fewer ledgers than this loses deposits in a short outage.
HISTORY_LEDGERS_MIN = LEDGERS_A_DAY
# Four ledgers of the network.
LAG_SECONDS_MAX = 20
RUNWAY_ORDERS_MIN = 100
# The reserves of an account and a trustline, in stroops: 3 reserves of 0.5 XLM.
USER_COST = 3 * UNIT // 2
# What an issuer may do. Source: the flags of an account, stellar-core's Stellar-ledger-entries.x.
AUTH_REQUIRED, AUTH_REVOCABLE, AUTH_CLAWBACK = 0x1, 0x2, 0x8
POWERS = {AUTH_REVOCABLE: "freeze lines", AUTH_CLAWBACK: "take the asset back"}
# An order costs a third more than its deployment on the main network: docs/mainnet.md.
ORDER_COST = (4, 3)
# The texts of a contract are a digest with this many characters.
DIGEST = f"sha256:{'0' * 64}"


class NetworkFindingState(StrEnum):
    """What a check found. UNKNOWN: the check could not look."""

    WELL = "WELL"
    WRONG = "WRONG"
    UNKNOWN = "UNKNOWN"


class Obstacle(StrEnum):
    """Why an address cannot receive the asset, worded to follow the address in a sentence."""

    ACCOUNT = "has no account"
    TRUST = "does not trust the asset"
    FROZEN = "is frozen by the issuer"
    FULL = "has no room left on its line"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFinding:
    """The result of one check. todo: what an operator can do, "" if all is well."""

    name: str
    state: NetworkFindingState
    says: str
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the settings say. fee_max: stroops that one transaction may cost.

    is_build_known: the build is known, or the network is only ours; provider: the address that
    receives the contract's own fee.
    """

    passphrase: str
    factories: Sequence[str]
    wasm_hash: str
    is_build_known: bool
    asset_contract: str
    asset_issuer: str
    provider: str
    keep_days: int
    fee_max: int
    lag_seconds_max: int = LAG_SECONDS_MAX


Look = Callable[[], Awaitable[NetworkFinding]]


class NetworkChecks:
    """Runs the checks."""

    def __init__(self, *, chain: Chain, keyring: Keyring, clock: Clock, expected: Expected) -> None:
        self._chain = chain
        self._keyring = keyring
        self._clock = clock
        self._expected = expected

    async def run(self) -> Sequence[NetworkFinding]:
        """Check everything, the nodes first."""
        nodes = await self._chain.nodes()
        now = int(self._clock.now().timestamp())
        found = of_nodes(nodes, self._expected, now=now)
        is_reachable = any(node.passphrase == self._expected.passphrase for node in nodes)
        looks: dict[str, Look] = {
            "code": self._code,
            "factory": self._factories,
            "asset": self._asset,
            "issuer": self._issuer,
            "platform": self._platform,
            "resolver": self._resolver,
            "provider": self._provider,
            "deployment": self._deployment,
            "runway": self._runway,
        }
        for name, look in looks.items():
            if not is_reachable:
                found.append(_unknown(name, "no node of this network answers"))
                continue
            try:
                found.append(await look())
            except DomainError as error:
                found.append(_unknown(name, error.message))
        return found

    async def _code(self) -> NetworkFinding:
        """Check the contract's code: a known build, on the network, not about to be archived."""
        wanted = self._expected.wasm_hash
        if not self._expected.is_build_known:
            todo = "name the build in ESCROW_BUILDS after you have compared it"
            return _wrong("code", f"{wanted[:12]}… is an unknown build", todo)
        left = await self._chain.lifetimes(code=wanted)
        if not left:
            todo = "upload the contract's code, or correct ESCROW_WASM_HASH"
            return _wrong("code", f"the network has no code {wanted[:12]}…", todo)
        return self._lives("code", f"{wanted[:12]}…", left[0].ledgers_left)

    async def _factories(self) -> NetworkFinding:
        """Check that every factory runs the code, holds no escrow, and is not about to end."""
        shortest = None
        for factory in self._expected.factories:
            found = await self._chain.code_of(factory)
            if found is None:
                todo = "deploy a factory, and name it in ESCROW_FACTORY_ID"
                return _wrong("factory", f"there is no contract {factory}", todo)
            if found != self._expected.wasm_hash:
                todo = "deploy a factory of the code ESCROW_WASM_HASH"
                return _wrong("factory", f"{factory} runs other code", todo)
            if why := await wrong_with(self._chain, factory):
                todo = "deploy another factory, and replace this one in the settings"
                return _wrong("factory", f"{factory}: {why}", todo)
            left = await self._chain.lifetimes(factories=[factory])
            ledgers = min((each.ledgers_left for each in left), default=0)
            shortest = ledgers if shortest is None else min(shortest, ledgers)
        count = len(self._expected.factories)
        return self._lives("factory", f"factories: {count}", shortest or 0)

    def _lives(self, name: str, what: str, ledgers: int) -> NetworkFinding:
        """Judge how long an entry will live. The keeper extends it as soon as it can pay."""
        days = ledgers // LEDGERS_A_DAY
        if ledgers == 0:
            todo = "restore it, or let the next deployment restore it and pay for that"
            return _wrong(name, f"{what}; it is archived", todo)
        if 2 * ledgers < self._expected.keep_days * LEDGERS_A_DAY:
            todo = "wait for the keeper, which extends it within an hour if the platform has lumens"
            return _wrong(name, f"{what}; it is archived in {days} days", todo)
        return _well(name, f"{what}; not archived for {days} days")

    async def _asset(self) -> NetworkFinding:
        """Check that the contract of the asset is deployed."""
        contract = self._expected.asset_contract
        if await self._chain.code_of(contract) is None:
            todo = "correct USDC_ISSUER, or deploy the asset's contract"
            return _wrong("asset", f"the asset's contract {contract} is not deployed", todo)
        return _well("asset", f"its contract is {contract}")

    async def _issuer(self) -> NetworkFinding:
        """Check that wallets can hold the asset without the issuer's consent; report its powers."""
        address = self._expected.asset_issuer
        account = await self._chain.account(address)
        if account is None:
            return _wrong("issuer", f"{address} has no account", "correct USDC_ISSUER")
        if account.flags & AUTH_REQUIRED:
            says = f"{address} authorizes every line by hand: new wallets cannot receive"
            return _wrong("issuer", says, "correct USDC_ISSUER, or choose another asset")
        powers = [power for flag, power in POWERS.items() if account.flags & flag]
        may = f"it may {' and '.join(powers)}" if powers else "it can neither freeze nor take back"
        return _well("issuer", f"{address}; {may}")

    async def _platform(self) -> NetworkFinding:
        """Check the platform's account and trustline."""
        address = (await self._keyring.platform()).address
        if (why := await self._cannot_receive(address)) is None:
            return _well("platform", f"{address} can receive the asset")
        todo = "send lumens to this address; escrow then makes the trustline without a limit"
        if why is Obstacle.FROZEN:
            todo = "ask the issuer: no release can land while this line is frozen"
        return _wrong("platform", f"{address} {why}", todo)

    async def _provider(self) -> NetworkFinding:
        """Check the trustline that receives the contract's own fee, which every release pays."""
        address = self._expected.provider
        if (why := await self._cannot_receive(address)) is None:
            return _well("provider", f"{address} can receive the asset")
        todo = "ask Trustless Work, whose address it is: no release can land until it can receive"
        return _wrong("provider", f"{address} {why}", todo)

    async def _cannot_receive(self, address: str) -> Obstacle | None:
        view, _ = await self._chain.recipient_view(address)
        if view is None:
            return Obstacle.ACCOUNT
        if view.trustline is None:
            return Obstacle.TRUST
        if not view.trustline.is_authorized:
            return Obstacle.FROZEN
        return None if view.trustline.room else Obstacle.FULL

    async def _resolver(self) -> NetworkFinding:
        """Check the account that divides disputed contracts."""
        address = (await self._keyring.resolver()).address
        if await self._chain.account(address) is None:
            todo = "start escrow: it makes this account as soon as the platform has lumens"
            return _wrong("resolver", f"{address} has no account", todo)
        is_own = address != (await self._keyring.platform()).address
        return _well("resolver", f"{address}{'' if is_own else ', the platform itself'}")

    async def _deployment(self) -> NetworkFinding:
        """Simulate the deployment of an order's contract, and compare its fee with the limit."""
        todo = "raise ESCROW_MAX_FEE_LUMENS, or wait until the network is cheaper"
        try:
            fee = await self._fee(await self._payer())
        except FeesTooHigh as error:
            return _wrong("deployment", error.message, todo)
        except ChainRefused as error:
            why = f"the network would refuse a deployment: {error.message}"
            return _wrong("deployment", why, "mend what is wrong above")
        if fee > self._expected.fee_max:
            limit = _lumens(self._expected.fee_max)
            return _wrong("deployment", f"it costs {_lumens(fee)}, {limit} is the limit", todo)
        return _well("deployment", f"it costs at most {_lumens(fee)}")

    async def _runway(self) -> NetworkFinding:
        """Count the orders, or the wallets, that the free lumens pay for."""
        payer = await self._payer()
        much, little = ORDER_COST
        price = max(1, await self._fee(payer) * much // little)
        free = max(0, payer.lumens - payer.locked)
        orders = free // price
        says = (
            f"{_lumens(free)} pay for about {orders} orders of {_lumens(price)}, "
            f"or reserve {free // USER_COST} wallets; {_lumens(payer.locked)} are locked"
        )
        if orders < RUNWAY_ORDERS_MIN:
            return _wrong("runway", says, f"send lumens to {payer.address}")
        return _well("runway", says)

    async def _payer(self) -> AccountView:
        address = (await self._keyring.platform()).address
        account = await self._chain.account(address)
        if account is None:
            raise ChainRefused("the platform has no account")
        return account

    async def _fee(self, payer: AccountView) -> int:
        """Return what the deployment of an order's contract may cost. Raises: as `fee_of`."""
        provider = self._expected.provider
        intent = DeployEscrow(
            signer=payer.address,
            factory=self._expected.factories[0],
            wasm_hash=self._expected.wasm_hash,
            salt=secrets.token_bytes(32),
            roles=Roles(
                approver=payer.address,
                service_provider=provider,
                platform=payer.address,
                release_signer=payer.address,
                dispute_resolver=(await self._keyring.resolver()).address,
                receiver=provider,
            ),
            amount=UNIT,
            platform_fee_bps=0,
            title=ORDER,
            description=DIGEST,
            engagement_id=f"ord_{'0' * 26}",
            milestones=("1",),
        )
        return await self._chain.fee_of(intent, payer=payer)


def of_nodes(nodes: Sequence[NodeView], expected: Expected, *, now: int) -> list[NetworkFinding]:
    """Judge what the nodes report of themselves. now: in seconds since 1970."""
    silent = [f"{node.name}: {node.why}" for node in nodes if node.why]
    answering = [node for node in nodes if not node.why]
    todo = "start the node, or correct STELLAR_RPC_URL, STELLAR_RPC_SPARE_URLS and its headers"
    is_silent = _judged("nodes", silent, todo, f"{len(nodes)} of {len(nodes)} answer")
    names = ("passphrase", "protocol", "history", "lag", "events")
    if not answering:
        return [is_silent, *(_unknown(name, "no node answers") for name in names)]

    other = [
        f"{node.name} is of the network {node.passphrase!r}"
        for node in answering
        if node.passphrase != expected.passphrase
    ]
    newer = [
        f"{node.name} speaks protocol {node.protocol}, {NEWEST_PROTOCOL} is the newest known"
        for node in answering
        if node.protocol > NEWEST_PROTOCOL
    ]
    short = [
        f"{node.name} keeps {node.kept} ledgers only"
        for node in answering
        if node.kept < HISTORY_LEDGERS_MIN
    ]
    late = [
        f"the newest ledger of {node.name} is {now - node.closed_at} s old"
        for node in answering
        if now - node.closed_at > expected.lag_seconds_max
    ]
    quiet = [
        f"{node.name} has no events of classic payments"
        for node in answering
        if node.tells_payments is False
    ]
    days = min(node.kept for node in answering) // LEDGERS_A_DAY
    todo = "set EMIT_CLASSIC_EVENTS of the node's core: deposits are not seen without them"
    events = _judged("events", quiet, todo, "events of classic payments are shown")
    if not quiet and all(node.tells_payments is None for node in answering):
        events = _unknown("events", "the last ledgers have no transaction to tell by")
    return [
        is_silent,
        _judged(
            "passphrase",
            other,
            "correct STELLAR_RPC_URL or STELLAR_NETWORK_PASSPHRASE",
            expected.passphrase,
        ),
        _judged(
            "protocol",
            newer,
            "update Orchestrator before you take orders",
            f"{max(node.protocol for node in answering)}",
        ),
        _judged("history", short, "use a node that keeps a week", f"kept for {days} days"),
        _judged("lag", late, "wait until the node has caught up, or use another", "none lags"),
        events,
    ]


def _judged(name: str, faults: Sequence[str], todo: str, otherwise: str) -> NetworkFinding:
    return _wrong(name, "; ".join(faults), todo) if faults else _well(name, otherwise)


def _well(name: str, says: str) -> NetworkFinding:
    return NetworkFinding(name=name, state=NetworkFindingState.WELL, says=says)


def _wrong(name: str, says: str, todo: str) -> NetworkFinding:
    return NetworkFinding(name=name, state=NetworkFindingState.WRONG, says=says, todo=todo)


def _unknown(name: str, says: str) -> NetworkFinding:
    return NetworkFinding(name=name, state=NetworkFindingState.UNKNOWN, says=says)


def _lumens(stroops: int) -> str:
    """Write stroops as XLM, to two decimals, rounded up."""
    cents = -(-stroops * 100 // UNIT)
    return f"{cents // 100}.{cents % 100:02d} XLM"
