"""Valid envelopes of every intent, and everything that can be changed about an envelope.

The envelopes are written down here field by field, as a node's simulation completes them, so that
the verifier is held against something it did not make.
"""

import base64
import hashlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from stellar_sdk import Address, Asset, Keypair, scval, xdr

from kernel.money import UNIT
from services.escrow.contracts.intents import (
    ApproveMilestone,
    ChangeMilestoneStatus,
    CreateChannels,
    CreateWallet,
    DeployEscrow,
    DisputeEscrow,
    FundEscrow,
    Intent,
    Memo,
    MemoType,
    PayAsset,
    PayOut,
    ReleaseFunds,
    ResolveDispute,
    Roles,
    SponsorChannels,
    SponsorTrust,
    TopUpChannels,
    TrustAsset,
)
from services.escrow.ports import StellarOptions
from services.escrow.stellar.addresses import sc_address
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.envelope import skeleton, wrap
from services.escrow.stellar.verify import Verifier

PASSPHRASE = "Test ; verifier"


def key_of(name: str) -> Keypair:
    """Return the key of a name, the same always."""
    return Keypair.from_raw_ed25519_seed(hashlib.sha256(name.encode()).digest())


def address_of(name: str) -> str:
    """Return the account of a name."""
    return key_of(name).public_key


def contract_of(name: str) -> str:
    """Return the contract of a name."""
    return Address.from_raw_contract(hashlib.sha256(name.encode()).digest()).address


BUYER, SELLER, PLATFORM = address_of("buyer"), address_of("seller"), address_of("platform")
CHANNEL, ISSUER, FEES = address_of("channel"), address_of("issuer"), address_of("fees")
ESCROW, FACTORY = contract_of("escrow"), contract_of("factory")
WASM_HASH = hashlib.sha256(b"wasm").hexdigest()
ASSET = Asset("USDC", ISSUER)
ASSET_CONTRACT = ASSET.contract_id(PASSPHRASE)
SEQUENCE, MAX_TIME, FEE = 4242, 1_900_000_000, 100_100
AMOUNT, MEMO = 80 * UNIT, Memo(type=MemoType.TEXT, value="7")

OPTIONS = StellarOptions(
    rpc_url="http://127.0.0.1:1",
    network_passphrase=PASSPHRASE,
    asset_issuer=ISSUER,
    factory=FACTORY,
    wasm_hash=WASM_HASH,
    provider_fee_address=FEES,
)
FRAME: dict[str, Any] = {"source": CHANNEL, "sequence": SEQUENCE, "max_time": MAX_TIME}
ROLES = Roles(
    approver=BUYER,
    service_provider=SELLER,
    platform=PLATFORM,
    release_signer=BUYER,
    dispute_resolver=PLATFORM,
    receiver=SELLER,
)
STORED = scval.to_struct({"amount": scval.to_int128(AMOUNT), "title": scval.to_string("t")})
ON: dict[str, Any] = {"contract_id": ESCROW, "wasm_hash": WASM_HASH}

# Whose call it is.
ACTORS = {
    "deploy_escrow": "platform",
    "fund_escrow": "buyer",
    "change_milestone_status": "seller",
    "approve_milestone": "buyer",
    "release_funds": "buyer",
    "dispute_escrow": "buyer",
    "resolve_dispute": "platform",
    "transfer": "platform",
}
NETWORK_OPERATIONS = (
    "create_wallet",
    "create_channels",
    "sponsor_channels",
    "top_up_channels",
    "trust_asset",
    "sponsor_trust",
    "payment",
)
TRANSFER = xdr.InvokeContractArgs(
    Address(ASSET_CONTRACT).to_xdr_sc_address(),
    xdr.SCSymbol(b"transfer"),
    [scval.to_address(BUYER), scval.to_address(ESCROW), scval.to_int128(AMOUNT)],
)

INTENTS: dict[str, Intent] = {
    intent.name: intent
    for intent in (
        DeployEscrow(
            signer=PLATFORM,
            factory=FACTORY,
            wasm_hash=WASM_HASH,
            salt=b"\x05" * 32,
            roles=ROLES,
            amount=AMOUNT,
            platform_fee_bps=150,
            title="Title",
            description="Words",
            engagement_id="ord_1",
            milestones=("First", "Second"),
        ),
        FundEscrow(**ON, funder=BUYER, amount=AMOUNT, expected_escrow=STORED.to_xdr_bytes()),
        ChangeMilestoneStatus(**ON, service_provider=SELLER, index=1, status="done"),
        ApproveMilestone(**ON, approver=BUYER, index=1),
        ReleaseFunds(**ON, release_signer=BUYER, receiver=SELLER, platform=PLATFORM),
        DisputeEscrow(**ON, signer=BUYER),
        ResolveDispute(
            **ON,
            resolver=PLATFORM,
            platform=PLATFORM,
            distributions={BUYER: 30 * UNIT, SELLER: 50 * UNIT},
        ),
        PayAsset(from_address=PLATFORM, to_address=SELLER, amount=2_400_000),
        PayOut(from_address=SELLER, to_address=address_of("outside"), amount=9, memo=MEMO),
        CreateWallet(account=BUYER, sponsor=PLATFORM),
        CreateChannels(funder=PLATFORM, channels=(CHANNEL, FEES), starting_balance=50 * UNIT),
        SponsorChannels(sponsor=PLATFORM, channels=(BUYER, SELLER)),
        TopUpChannels(funder=PLATFORM, channels=(CHANNEL, FEES), amount=20 * UNIT),
        TrustAsset(account=PLATFORM),
        SponsorTrust(account=BUYER, sponsor=PLATFORM),
    )
}


def blueprints() -> Blueprints:
    """Return the blueprints of the test's network."""
    return Blueprints(options=OPTIONS)


def verifier() -> Verifier:
    """Return the verifier of the test's network."""
    return Verifier(options=OPTIONS, blueprints=blueprints())


def valid_transaction(intent: Intent) -> xdr.Transaction:
    """Return the transaction a builder should make of an intent."""
    blueprint = blueprints().of(intent)
    operations, data, fee = list(blueprint.operations), None, 1_000 * len(blueprint.operations)
    if intent.name not in NETWORK_OPERATIONS:
        operations = [invoking(intent)]
        data, fee = resources(intent), FEE
    return skeleton(
        **FRAME,
        fee=fee,
        memo=blueprint.memo,
        operations=operations,
        soroban_data=data,
    )


def valid_envelope(intent: Intent) -> str:
    """Return the envelope a builder should make of an intent."""
    return wrap(valid_transaction(intent))


def invoking(intent: Intent) -> xdr.Operation:
    """Return a contract call as an operation of the wallet that makes it."""
    meant = blueprints().of(intent).operations[0].body.invoke_host_function_op
    assert meant is not None
    call = meant.host_function.invoke_contract
    assert call is not None
    allowed = invocation(call, TRANSFER if intent.name == "fund_escrow" else None)
    source = xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT
    body = xdr.OperationBody(
        xdr.OperationType.INVOKE_HOST_FUNCTION,
        invoke_host_function_op=xdr.InvokeHostFunctionOp(
            meant.host_function,
            [xdr.SorobanAuthorizationEntry(xdr.SorobanCredentials(source), allowed)],
        ),
    )
    return xdr.Operation(key_of(ACTORS[intent.name]).xdr_muxed_account(), body)


def invocation(
    call: xdr.InvokeContractArgs, below: xdr.InvokeContractArgs | None = None
) -> xdr.SorobanAuthorizedInvocation:
    """Return an allowed call, with the call it makes in turn."""
    kind = xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN
    inner = [] if below is None else [invocation(below)]
    function = xdr.SorobanAuthorizedFunction(kind, contract_fn=call)
    return xdr.SorobanAuthorizedInvocation(function, inner)


def entry_key(contract: str, key: xdr.SCVal, *, temporary: bool = False) -> xdr.LedgerKey:
    """Return the ledger key of a contract's value."""
    kinds = xdr.ContractDataDurability
    data = xdr.LedgerKeyContractData(
        Address(contract).to_xdr_sc_address(),
        key,
        kinds.TEMPORARY if temporary else kinds.PERSISTENT,
    )
    return xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=data)


def nonce_entry(address: str, nonce: int) -> xdr.LedgerKey:
    """Return the ledger key of a used authorisation."""
    marker = xdr.SCVal(
        xdr.SCValType.SCV_LEDGER_KEY_NONCE, nonce_key=xdr.SCNonceKey(xdr.Int64(nonce))
    )
    return entry_key(address, marker, temporary=True)


def holding(address: str) -> xdr.LedgerKey:
    """Return the ledger key of what an address holds."""
    if address.startswith("C"):
        name = scval.to_vec([scval.to_symbol("Balance"), scval.to_address(address)])
        return entry_key(ASSET_CONTRACT, name)
    line = xdr.LedgerKeyTrustLine(
        Keypair.from_public_key(address).xdr_account_id(), ASSET.to_trust_line_asset_xdr_object()
    )
    return xdr.LedgerKey(xdr.LedgerEntryType.TRUSTLINE, trust_line=line)


def account(address: str) -> xdr.LedgerKey:
    """Return the ledger key of an account."""
    key = xdr.LedgerKeyAccount(Keypair.from_public_key(address).xdr_account_id())
    return xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=key)


INSTANCE = xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE)


def resources(intent: Intent) -> xdr.SorobanTransactionData:
    """Return what a simulation says the call touches and costs."""
    blueprint = blueprints().of(intent)
    written = [holding(holder) for holder in sorted(blueprint.holders)]
    read = [entry_key(ASSET_CONTRACT, INSTANCE), account(address_of(ACTORS[intent.name]))]
    if blueprint.owned:
        written.append(entry_key(blueprint.owned, scval.to_vec([scval.to_symbol("Escrow")])))
        read.append(entry_key(blueprint.owned, INSTANCE))
    code = xdr.LedgerKeyContractCode(xdr.Hash(bytes.fromhex(WASM_HASH)))
    read.append(xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=code))
    return xdr.SorobanTransactionData(
        xdr.SorobanTransactionDataExt(0),
        xdr.SorobanResources(
            xdr.LedgerFootprint(read, written),
            xdr.Uint32(2_000_000),
            xdr.Uint32(3_000),
            xdr.Uint32(2_000),
        ),
        xdr.Int64(FEE - 1_000),
    )


def mutants(envelope: xdr.TransactionEnvelope) -> Iterator[tuple[str, str]]:
    """Change every field of an envelope, one at a time: (where, the changed envelope).

    Numbers are raised and lowered by one, bytes get a bit flipped, one more and one less; lists
    lose and repeat each item; what is there and optional is taken away. A change that makes the
    envelope impossible to write is no mutant.
    """
    for path in list(paths(envelope)):
        original = value_at(envelope, path)
        for number, change in enumerate(changes(original)):
            place(envelope, path, change)
            try:
                text = envelope.to_xdr()
            except Exception:  # noqa: BLE001, S112 - what cannot be written cannot arrive
                continue
            finally:
                place(envelope, path, original)
            yield f"{'.'.join(map(str, path))} #{number}", text


def own_storage(intent: Intent) -> tuple[str, ...]:
    """Return where a valid envelope names storage of the escrow itself: which, is its own affair.

    The same holds for which code is read.
    """
    data, owned = valid_transaction(intent).ext.soroban_data, blueprints().of(intent).owned
    if data is None:
        return ()
    places = []
    for side in ("read_only", "read_write"):
        for index, key in enumerate(getattr(data.resources.footprint, side)):
            entry = f"v1.tx.ext.soroban_data.resources.footprint.{side}.{index}"
            stored = key.contract_data
            if key.contract_code is not None:
                places.append(f"{entry}.contract_code.hash")
            elif stored is not None and owned and stored.contract == sc_address(owned):
                places += [f"{entry}.contract_data.key", f"{entry}.contract_data.durability"]
    return tuple(places)


def paths(node: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Walk to every field and list of an XDR value."""
    if isinstance(node, list):
        yield above
        for index, item in enumerate(node):
            yield from paths(item, (*above, index))
    elif isinstance(node, int | bytes | str) or node is None:
        yield above
    else:
        for name, value in vars(node).items():
            yield from paths(value, (*above, name))


def value_at(node: Any, path: tuple[str | int, ...]) -> Any:
    """Return what is at a path."""
    for part in path:
        node = node[part] if isinstance(part, int) else getattr(node, part)
    return node


def place(node: Any, path: tuple[str | int, ...], value: Any) -> None:
    """Put a value at a path."""
    above = value_at(node, path[:-1])
    if isinstance(path[-1], int):
        above[path[-1]] = value
    else:
        setattr(above, path[-1], value)


def changes(value: Any) -> list[Any]:  # noqa: PLR0911 - one line per kind
    """Return other values of the same kind."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, IntEnum):
        return [member for member in type(value) if member != value]
    if isinstance(value, int):
        return [value + 1, value - 1, -value, 0, 2**31 - 1]
    if isinstance(value, bytes):
        if not value:
            return [b"\0"]
        flipped = [bytes([value[0] ^ 1, *value[1:]]), value[:-1] + bytes([value[-1] ^ 1])]
        return [*flipped, value + b"\0", value[:-1]]
    if isinstance(value, list):
        without = [value[:index] + value[index + 1 :] for index in range(len(value))]
        return [*without, *([[*value, value[-1]]] if value else []), value[::-1]]
    return []


def recoded(envelope_xdr: str) -> xdr.TransactionEnvelope:
    """Return an envelope of one's own to change."""
    return xdr.TransactionEnvelope.from_xdr_bytes(base64.b64decode(envelope_xdr))
