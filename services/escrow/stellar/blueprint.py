"""Blueprints: what an intent means on the network, to the byte.

Builders fill blueprints in, and the verifier compares every envelope with its blueprint.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property, singledispatchmethod

from stellar_sdk import Asset, scval, xdr

from services.escrow.contracts.intents import (
    ApproveMilestone,
    ChangeMilestoneStatus,
    CreateChannels,
    CreateWallet,
    DeployEscrow,
    DisputeEscrow,
    ExtendLifetimes,
    FundEscrow,
    Intent,
    MergeWallet,
    PayAsset,
    PayOut,
    ReleaseFunds,
    ResolveDispute,
    SponsorChannels,
    SponsorTrust,
    TopUpChannels,
    TrustAsset,
    UseNumber,
)
from services.escrow.ports import StellarOptions
from services.escrow.stellar import wallets
from services.escrow.stellar.addresses import (
    deployed_contract_id,
    deployment_preimage,
    public_key,
    value_of,
)
from services.escrow.stellar.contract import Call, Contracts, OnContract, UnknownBuild
from services.escrow.stellar.envelope import WITH_RESOURCES, WITHOUT_RESOURCES

DRAWN_MAX = 256


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """The contents of an envelope that follow from the intent alone.

    operations: complete, with their sources and authorisations; signers: accounts that sign the
    envelope besides its source; owned: the contract whose storage a call may write, "" for none;
    consulted: contracts that a call may only read, empty for classic operations; code: hash of the
    code that a call runs, "" for the network's own; holders: addresses whose balance a call may
    move; extended: the only keys that an extension of lives may name; memo: as XDR.
    """

    operations: tuple[xdr.Operation, ...]
    signers: frozenset[str]
    owned: str = ""
    consulted: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()
    code: str = ""
    extended: tuple[bytes, ...] = ()
    memo: bytes = wallets.NO_MEMO

    @property
    def is_contract_call(self) -> bool:
        """Tell whether the operations declare resources, as classic operations do not."""
        return bool(self.consulted or self.extended)

    @property
    def draft(self) -> bytes:
        """Return the resources that a simulation begins with, in a transaction's form."""
        if not self.extended:
            return WITHOUT_RESOURCES
        keys = [xdr.LedgerKey.from_xdr_bytes(key) for key in self.extended]
        needed = xdr.SorobanResources(
            footprint=xdr.LedgerFootprint(keys, []),
            instructions=xdr.Uint32(0),
            disk_read_bytes=xdr.Uint32(0),
            write_bytes=xdr.Uint32(0),
        )
        data = xdr.SorobanTransactionData(xdr.SorobanTransactionDataExt(0), needed, xdr.Int64(0))
        return WITH_RESOURCES + data.to_xdr_bytes()

    @cached_property
    def packed(self) -> bytes:
        """Return the operations in a transaction's form: their number and their XDR."""
        count = len(self.operations).to_bytes(4, "big")
        return count + b"".join(operation.to_xdr_bytes() for operation in self.operations)


class Blueprints:
    """Draws blueprints for one network."""

    def __init__(self, *, options: StellarOptions) -> None:
        self.asset = Asset(options.asset_code, options.asset_issuer)
        self.asset_contract = self.asset.contract_id(options.network_passphrase)
        self._passphrase = options.network_passphrase
        self._factories = {options.factory, *options.spare_factories}
        self._fee_address = options.provider_fee_address
        self._contracts = Contracts(options=options, asset_contract=self.asset_contract)
        self._drawn: OrderedDict[int, tuple[Intent, Blueprint]] = OrderedDict()

    def contract_id(self, intent: DeployEscrow) -> str:
        """Return the C… address that a deployment will have. Raises: UnknownBuild."""
        profile = self._contracts.of(intent.wasm_hash).profile
        deployer = intent.signer if profile.is_signer_deployer else intent.factory
        return deployed_contract_id(deployer, intent.salt, passphrase=self._passphrase)

    def stored(self, intent: DeployEscrow) -> bytes:
        """Return the XDR of the value that a deployment stores. Raises: UnknownBuild."""
        return self._contracts.of(intent.wasm_hash).stored(intent)

    def of(self, intent: Intent) -> Blueprint:
        """Return the blueprint of an intent. It is drawn once for both builder and verifier.

        Raises: UnknownBuild.
        """
        known, blueprint = self._drawn.get(id(intent), (None, None))
        if known is intent and blueprint is not None:
            return blueprint
        blueprint = self._draw(intent)
        self._drawn[id(intent)] = intent, blueprint
        if len(self._drawn) > DRAWN_MAX:
            self._drawn.popitem(last=False)
        return blueprint

    @singledispatchmethod
    def _draw(self, intent: Intent) -> Blueprint:
        raise TypeError(f"no blueprint for {type(intent).__name__}")

    @_draw.register
    def _(self, intent: DeployEscrow) -> Blueprint:
        if intent.factory not in self._factories:
            raise UnknownBuild(f"{intent.factory} is not a factory of this network")
        contract = self._contracts.of(intent.wasm_hash)
        is_created_by_signer = contract.profile.is_signer_deployer
        deployed = self.contract_id(intent)
        return _of_call(
            contract.call(intent),
            below=[_creation(intent)] if is_created_by_signer else [],
            owned=deployed,
            consulted={self.asset_contract, deployed, intent.factory},
            code=intent.wasm_hash,
        )

    @_draw.register
    def _(self, intent: FundEscrow) -> Blueprint:
        transfer = self._transfer(intent.funder, intent.contract_id, intent.amount)
        return self._of_escrow(intent, payees={intent.funder}, below=[_invocation(transfer)])

    @_draw.register
    def _(self, intent: ChangeMilestoneStatus | ApproveMilestone | DisputeEscrow) -> Blueprint:
        return self._of_escrow(intent, payees=set())

    @_draw.register
    def _(self, intent: ReleaseFunds) -> Blueprint:
        payees = {intent.receiver, intent.platform, self._fee_address}
        return self._of_escrow(intent, payees=payees)

    @_draw.register
    def _(self, intent: ResolveDispute) -> Blueprint:
        payees = {*intent.distributions, intent.platform, self._fee_address}
        return self._of_escrow(intent, payees=payees)

    @_draw.register
    def _(self, intent: PayAsset) -> Blueprint:
        call = self._transfer(intent.from_address, intent.to_address, intent.amount)
        return _of_call(
            call,
            consulted={self.asset_contract},
            holders={intent.from_address, intent.to_address},
        )

    @_draw.register
    def _(self, intent: PayOut) -> Blueprint:
        return Blueprint(
            operations=tuple(wallets.pay_out(intent, asset=self.asset)),
            signers=frozenset({intent.from_address}),
            memo=wallets.memo_bytes(intent.memo),
        )

    @_draw.register
    def _(self, intent: CreateWallet) -> Blueprint:
        operations = wallets.create_wallet(intent, asset=self.asset)
        signers = frozenset({intent.account, intent.sponsor})
        return Blueprint(operations=tuple(operations), signers=signers)

    @_draw.register
    def _(self, intent: CreateChannels) -> Blueprint:
        operations = wallets.create_channels(intent)
        return Blueprint(operations=tuple(operations), signers=frozenset({intent.funder}))

    @_draw.register
    def _(self, intent: SponsorChannels) -> Blueprint:
        operations = wallets.sponsor_channels(intent)
        signers = frozenset({intent.sponsor, *intent.channels})
        return Blueprint(operations=tuple(operations), signers=signers)

    @_draw.register
    def _(self, intent: TopUpChannels) -> Blueprint:
        operations = wallets.top_up_channels(intent)
        return Blueprint(operations=tuple(operations), signers=frozenset({intent.funder}))

    @_draw.register
    def _(self, intent: TrustAsset) -> Blueprint:
        operations = wallets.trust_asset(intent, asset=self.asset)
        return Blueprint(operations=tuple(operations), signers=frozenset({intent.account}))

    @_draw.register
    def _(self, intent: SponsorTrust) -> Blueprint:
        operations = wallets.sponsor_trust(intent, asset=self.asset)
        signers = frozenset({intent.account, intent.sponsor})
        return Blueprint(operations=tuple(operations), signers=signers)

    @_draw.register
    def _(self, intent: MergeWallet) -> Blueprint:
        operations = wallets.merge_wallet(intent, asset=self.asset)
        return Blueprint(operations=tuple(operations), signers=frozenset({intent.account}))

    @_draw.register
    def _(self, intent: UseNumber) -> Blueprint:
        operations = wallets.use_number(intent)
        return Blueprint(operations=tuple(operations), signers=frozenset({intent.account}))

    @_draw.register
    def _(self, intent: ExtendLifetimes) -> Blueprint:
        body = xdr.OperationBody(
            xdr.OperationType.EXTEND_FOOTPRINT_TTL,
            extend_footprint_ttl_op=xdr.ExtendFootprintTTLOp(
                xdr.ExtensionPoint(0), xdr.Uint32(intent.ledgers)
            ),
        )
        source = public_key(intent.account).xdr_muxed_account()
        return Blueprint(
            operations=(xdr.Operation(source, body),),
            signers=frozenset({intent.account}),
            extended=intent.keys,
        )

    def _transfer(self, from_address: str, to_address: str, amount: int) -> Call:
        args = (
            value_of(from_address),
            value_of(to_address),
            scval.to_int128(amount),
        )
        return Call(
            contract_id=self.asset_contract, function="transfer", args=args, authorizer=from_address
        )

    def _of_escrow(
        self,
        intent: OnContract,
        *,
        payees: set[str],
        below: list[xdr.SorobanAuthorizedInvocation] | None = None,
    ) -> Blueprint:
        return _of_call(
            self._contracts.of(intent.wasm_hash).call(intent),
            below=below,
            owned=intent.contract_id,
            consulted={self.asset_contract, intent.contract_id},
            holders={intent.contract_id, *payees},
            code=intent.wasm_hash,
        )


def _of_call(
    call: Call,
    *,
    consulted: set[str],
    holders: set[str] | None = None,
    owned: str = "",
    below: list[xdr.SorobanAuthorizedInvocation] | None = None,
    code: str = "",
) -> Blueprint:
    """Draw a call whose authorizer is the operation's source.

    So the wallet signs the envelope as a whole. A signed authorisation inside the envelope would be
    the alternative. But anybody who sees it can use it in another envelope, before ours or after
    ours has failed; then a step that is retried would be done twice. Source: CAP-46-11.
    """
    allowed = xdr.SorobanAuthorizationEntry(
        xdr.SorobanCredentials(xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_SOURCE_ACCOUNT),
        _invocation(call, below=below),
    )
    body = xdr.OperationBody(
        xdr.OperationType.INVOKE_HOST_FUNCTION,
        invoke_host_function_op=xdr.InvokeHostFunctionOp(call.host_function(), [allowed]),
    )
    wallet = public_key(call.authorizer).xdr_muxed_account()
    return Blueprint(
        operations=(xdr.Operation(wallet, body),),
        signers=frozenset({call.authorizer}),
        owned=owned,
        consulted=frozenset(consulted),
        holders=frozenset(holders or ()),
        code=code,
    )


def _invocation(
    call: Call, *, below: list[xdr.SorobanAuthorizedInvocation] | None = None
) -> xdr.SorobanAuthorizedInvocation:
    function = xdr.SorobanAuthorizedFunction(
        xdr.SorobanAuthorizedFunctionType.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN,
        contract_fn=call.invocation(),
    )
    return xdr.SorobanAuthorizedInvocation(function, below or [])


def _creation(intent: DeployEscrow) -> xdr.SorobanAuthorizedInvocation:
    creation = xdr.CreateContractArgsV2(
        deployment_preimage(intent.signer, intent.salt),
        xdr.ContractExecutable(
            xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM,
            wasm_hash=xdr.Hash(bytes.fromhex(intent.wasm_hash)),
        ),
        [],
    )
    kind = xdr.SorobanAuthorizedFunctionType
    function = xdr.SorobanAuthorizedFunction(
        kind.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CREATE_CONTRACT_V2_HOST_FN,
        create_contract_v2_host_fn=creation,
    )
    return xdr.SorobanAuthorizedInvocation(function, [])
