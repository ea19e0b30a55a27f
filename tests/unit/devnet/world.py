"""A ledger in memory for contract tests: accounts, calls, refusals; no process, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from stellar_sdk import Keypair, scval, xdr

from devnet.chain import keys, rules
from devnet.chain.addresses import sc_address
from devnet.chain.entries import (
    Account,
    Trustline,
    encode_contract_data,
    read_trustline,
    write_account,
    write_trustline,
)
from devnet.chain.state import Entries, Entry, View
from devnet.network import genesis
from devnet.network.identity import Identity
from devnet.soroban import escrow_storage, escrow_value
from devnet.soroban.deploy import contract_address
from devnet.soroban.escrow_value import Escrow, Flags, Milestone, Roles
from devnet.soroban.host import Footprint
from devnet.soroban.invoke import Environment, Invocation, record
from devnet.soroban.profiles import PROFILE_B, Profile
from devnet.soroban.registry import Registry

IDENTITY = Identity("devnet unit tests")
UNIT = 10**7
SALT = b"\x07" * 32
LIFETIMES = rules.LIFETIMES["main"]


@cache
def _genesis() -> Entries:
    entries = Entries()
    entries.load(genesis.entries(IDENTITY).items())
    return entries


@cache
def address(name: str) -> str:
    """Return a stable address for a name."""
    return Keypair.from_raw_ed25519_seed(name.encode().ljust(32, b".")).public_key


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call did: its value, or the host's error text."""

    value: xdr.SCVal | None
    error: str | None
    invocation: Invocation


class World:
    """A fresh copy of the first ledger with a cast of funded accounts."""

    cast = ("buyer", "seller", "platform", "resolver", "stranger")

    def __init__(self, profile: Profile = PROFILE_B) -> None:
        self.profile = profile
        self.view = View(_genesis(), sequence=2)
        self.environment = Environment(
            passphrase=IDENTITY.passphrase,
            network_id=IDENTITY.network_id,
            contracts=Registry(fee_address=IDENTITY.fee_address),
            lifetimes=LIFETIMES,
        )
        for name in self.cast:
            self.open(name, usdc=1_000 * UNIT)

    def open(self, name: str, *, usdc: int) -> str:
        """Create an account that trusts USDC and holds some minor units of it."""
        write_account(
            self.view, Account(address=address(name), balance=10**10, sequence=0, sub_entries=1)
        )
        line = Trustline(
            address=address(name), asset=IDENTITY.usdc, balance=usdc, limit=rules.INT64_MAX
        )
        write_trustline(self.view, line)
        return address(name)

    def footprint(self) -> Footprint:
        """Open a view that archives and remembers what it touches."""
        return Footprint(self.view, sequence=self.view.sequence, lifetimes=LIFETIMES)

    def usdc(self, name_or_address: str) -> int:
        """Return an account's minor units of USDC."""
        who = name_or_address if len(name_or_address) == 56 else address(name_or_address)
        line = read_trustline(self.view, who, IDENTITY.usdc)
        assert line is not None
        return line.balance

    def held(self, contract: str) -> int:
        """Return a contract's minor units of USDC."""
        answer = self.call(IDENTITY.usdc_contract, "balance", [scval.to_address(contract)])
        assert answer.value is not None
        return scval.from_int128(answer.value)

    def call(self, contract: str, function: str, args: Sequence[xdr.SCVal]) -> Answer:
        """Call a contract, allowing everything; a success is kept, a failure leaves nothing."""
        invoked = xdr.InvokeContractArgs(
            sc_address(contract), xdr.SCSymbol(function.encode()), list(args)
        )
        host_function = xdr.HostFunction(
            xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT, invoke_contract=invoked
        )
        done = record(
            xdr.InvokeHostFunctionOp(host_function, []),
            source=address("stranger"),
            ledger=self.view,
            sequence=self.view.sequence,
            environment=self.environment,
        )
        if done.error is None:
            self.view.merge(done.view)
        error = None if done.error is None else str(done.error)
        return Answer(done.value, error, done)

    def deploy(self, escrow: Escrow | None = None, *, salt: bytes = SALT) -> str:
        """Deploy an escrow and return its address."""
        answer = self.try_deploy(escrow or an_escrow(), salt=salt)
        assert answer.error is None, answer.error
        deployer = IDENTITY.factory
        return contract_address(deployer=deployer, salt=salt, passphrase=IDENTITY.passphrase)

    def try_deploy(self, escrow: Escrow, *, salt: bytes = SALT) -> Answer:
        """Call the factory."""
        args = self.deploy_args(escrow, salt=salt)
        return self.call(IDENTITY.factory, "tw_new_single_release_escrow", args)

    def deploy_args(self, escrow: Escrow, *, salt: bytes) -> list[xdr.SCVal]:
        """Return the arguments of a deployment."""
        return [
            scval.to_address(address("platform")),
            scval.to_bytes(self.profile.wasm_hash),
            scval.to_bytes(salt),
            scval.to_symbol("initialize_escrow"),
            scval.to_vec([escrow_value.encode(escrow, profile=self.profile)]),
            scval.to_vec([]),
        ]

    def stored(self, contract: str) -> Escrow:
        """Return the escrow a contract stores."""
        answer = self.call(contract, "get_escrow", [])
        assert answer.value is not None
        return escrow_value.decode(answer.value, profile=self.profile)

    def store(self, contract: str, escrow: Escrow) -> None:
        """Put a value where the contract keeps its escrow, past all its rules."""
        data = encode_contract_data(
            contract=contract,
            key=escrow_storage.KEY,
            durability=keys.PERSISTENT,
            value=escrow_value.encode(escrow, profile=self.profile),
        )
        key = keys.contract_data(contract, escrow_storage.KEY, keys.PERSISTENT)
        self.view.put(key, Entry(data, live_until=LIFETIMES.first(self.view.sequence)))

    def fund(self, contract: str, amount: int, *, signer: str = "buyer") -> Answer:
        """Fund an escrow with the properties it has now."""
        return self.call(contract, "fund_escrow", self.fund_args(contract, amount, signer=signer))

    def fund_args(self, contract: str, amount: int, *, signer: str = "buyer") -> list[xdr.SCVal]:
        """Return the arguments of a funding."""
        expected = escrow_value.encode(self.stored(contract), profile=self.profile)
        return [scval.to_address(address(signer)), expected, scval.to_int128(amount)]

    def change_status(
        self,
        contract: str,
        *,
        status: str = "done",
        index: int = 0,
        provider: str = "seller",
        evidence: str | None = None,
    ) -> Answer:
        """Set a milestone's status."""
        text = scval.to_void() if evidence is None else scval.to_string(evidence)
        args = [
            scval.to_uint32(index),
            scval.to_string(status),
            text,
            scval.to_address(address(provider)),
        ]
        return self.call(contract, "change_milestone_status", args)

    def approve(self, contract: str, *, index: int = 0, approver: str = "buyer") -> Answer:
        """Approve a milestone."""
        args = [scval.to_uint32(index), scval.to_address(address(approver))]
        return self.call(contract, "approve_milestone", args)

    def release(self, contract: str, *, signer: str = "buyer") -> Answer:
        """Release the funds."""
        return self.call(contract, "release_funds", [scval.to_address(address(signer))])

    def dispute(self, contract: str, *, signer: str = "buyer") -> Answer:
        """Open a dispute."""
        return self.call(contract, "dispute_escrow", [scval.to_address(address(signer))])

    def funded(self, **changes: object) -> str:
        """Deploy an escrow and fund it."""
        contract = self.deploy(an_escrow(**changes))
        assert self.fund(contract, self.stored(contract).amount).error is None
        return contract

    def approved(self, **changes: object) -> str:
        """Bring an escrow to where it can be released."""
        contract = self.funded(**changes)
        assert self.change_status(contract).error is None
        assert self.approve(contract).error is None
        return contract

    def disputed(self, **changes: object) -> str:
        """Bring an escrow to where it can be resolved."""
        contract = self.funded(**changes)
        assert self.dispute(contract).error is None
        return contract

    def resolve(
        self,
        contract: str,
        shares: dict[str, int],
        *,
        resolver: str = "resolver",
        function: str = "resolve_dispute",
    ) -> Answer:
        """Pay out as decided; shares by name, in minor units."""
        paid = {
            scval.to_address(address(name)): scval.to_int128(share)
            for name, share in shares.items()
        }
        args = [scval.to_address(address(resolver)), scval.to_map(paid)]
        return self.call(contract, function, args)

    def update(self, contract: str, wanted: Escrow, *, platform: str = "platform") -> Answer:
        """Change an escrow's properties."""
        value = escrow_value.encode(wanted, profile=self.profile)
        return self.call(contract, "update_escrow", [scval.to_address(address(platform)), value])


def declaration(
    read_only: Sequence[bytes], read_write: Sequence[bytes], *, archived: Sequence[int] = ()
) -> xdr.SorobanTransactionData:
    """Declare a footprint. archived: places among what is written that are marked so."""
    footprint = xdr.LedgerFootprint(
        [keys.parse(key) for key in read_only], [keys.parse(key) for key in read_write]
    )
    places = [xdr.Uint32(place) for place in archived]
    extension = xdr.SorobanTransactionDataExt(0)
    if places:
        extension = xdr.SorobanTransactionDataExt(1, resource_ext=xdr.SorobanResourcesExtV0(places))
    resources = xdr.SorobanResources(
        footprint,
        instructions=xdr.Uint32(0),
        disk_read_bytes=xdr.Uint32(10_000),
        write_bytes=xdr.Uint32(10_000),
    )
    return xdr.SorobanTransactionData(extension, resources, xdr.Int64(900_000))


def a_milestone(**changes: object) -> Milestone:
    """Build a new milestone."""
    fresh = Milestone(approved=False, description=b"work", evidence=b"", status=b"pending")
    return replace(fresh, **changes)  # type: ignore[arg-type]  # a builder for tests


def an_escrow(**changes: object) -> Escrow:
    """Build an escrow of 80 USDC without platform fee."""
    fresh = Escrow(
        amount=80 * UNIT,
        description=b"Logo design",
        engagement_id=b"ord_1",
        flags=Flags(disputed=False, released=False, resolved=False),
        milestones=(a_milestone(),),
        platform_fee=0,
        receiver_memo=0,
        roles=some_roles(),
        title=b"Logo",
        token=IDENTITY.usdc_contract,
    )
    return replace(fresh, **changes)  # type: ignore[arg-type]  # a builder for tests


def some_roles(**changes: str) -> Roles:
    """Build the roles of an order: buyer approves and releases, seller provides and receives."""
    usual = Roles(
        approver=address("buyer"),
        dispute_resolver=address("resolver"),
        platform=address("platform"),
        receiver=address("seller"),
        release_signer=address("buyer"),
        service_provider=address("seller"),
    )
    return replace(usual, **changes)


def refusal(number: int) -> str:
    """Spell a contract error as the host does."""
    return f"Error(Contract, #{number})"
