import datetime

from orchestrator.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from orchestrator.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WalletState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WALLET_STATE_UNSPECIFIED: _ClassVar[WalletState]
    WALLET_STATE_CREATING: _ClassVar[WalletState]
    WALLET_STATE_ACTIVE: _ClassVar[WalletState]
    WALLET_STATE_FAILED: _ClassVar[WalletState]
    WALLET_STATE_MERGING: _ClassVar[WalletState]
    WALLET_STATE_RETURNING: _ClassVar[WalletState]
    WALLET_STATE_MERGED: _ClassVar[WalletState]

class EscrowState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ESCROW_STATE_UNSPECIFIED: _ClassVar[EscrowState]
    ESCROW_STATE_CREATING: _ClassVar[EscrowState]
    ESCROW_STATE_CREATED: _ClassVar[EscrowState]
    ESCROW_STATE_FUNDING: _ClassVar[EscrowState]
    ESCROW_STATE_FUNDED: _ClassVar[EscrowState]
    ESCROW_STATE_RELEASING: _ClassVar[EscrowState]
    ESCROW_STATE_RELEASED: _ClassVar[EscrowState]
    ESCROW_STATE_REFUNDING: _ClassVar[EscrowState]
    ESCROW_STATE_REFUNDED: _ClassVar[EscrowState]
    ESCROW_STATE_FREEZING: _ClassVar[EscrowState]
    ESCROW_STATE_DISPUTED: _ClassVar[EscrowState]
    ESCROW_STATE_RESOLVING: _ClassVar[EscrowState]
    ESCROW_STATE_RESOLVED: _ClassVar[EscrowState]
    ESCROW_STATE_FAILED: _ClassVar[EscrowState]
    ESCROW_STATE_COMPLETING: _ClassVar[EscrowState]

class CommandKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMMAND_KIND_UNSPECIFIED: _ClassVar[CommandKind]
    COMMAND_KIND_CREATE_WALLET: _ClassVar[CommandKind]
    COMMAND_KIND_CREATE: _ClassVar[CommandKind]
    COMMAND_KIND_FUND: _ClassVar[CommandKind]
    COMMAND_KIND_RELEASE: _ClassVar[CommandKind]
    COMMAND_KIND_REFUND: _ClassVar[CommandKind]
    COMMAND_KIND_FREEZE: _ClassVar[CommandKind]
    COMMAND_KIND_RESOLVE: _ClassVar[CommandKind]
    COMMAND_KIND_CREDIT_WALLET: _ClassVar[CommandKind]
    COMMAND_KIND_COMPLETE_MILESTONE: _ClassVar[CommandKind]
    COMMAND_KIND_WITHDRAW: _ClassVar[CommandKind]
    COMMAND_KIND_MERGE_WALLET: _ClassVar[CommandKind]

class CommandState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMMAND_STATE_UNSPECIFIED: _ClassVar[CommandState]
    COMMAND_STATE_RUNNING: _ClassVar[CommandState]
    COMMAND_STATE_SUCCEEDED: _ClassVar[CommandState]
    COMMAND_STATE_FAILED: _ClassVar[CommandState]
    COMMAND_STATE_QUARANTINED: _ClassVar[CommandState]

class NetworkFindingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NETWORK_FINDING_STATE_UNSPECIFIED: _ClassVar[NetworkFindingState]
    NETWORK_FINDING_STATE_WELL: _ClassVar[NetworkFindingState]
    NETWORK_FINDING_STATE_WRONG: _ClassVar[NetworkFindingState]
    NETWORK_FINDING_STATE_UNKNOWN: _ClassVar[NetworkFindingState]

class PayeeRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYEE_ROLE_UNSPECIFIED: _ClassVar[PayeeRole]
    PAYEE_ROLE_CONTRACT: _ClassVar[PayeeRole]
    PAYEE_ROLE_SELLER: _ClassVar[PayeeRole]
    PAYEE_ROLE_BUYER: _ClassVar[PayeeRole]
    PAYEE_ROLE_PLATFORM: _ClassVar[PayeeRole]
    PAYEE_ROLE_PROVIDER: _ClassVar[PayeeRole]
    PAYEE_ROLE_WALLET: _ClassVar[PayeeRole]

class Flow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FLOW_UNSPECIFIED: _ClassVar[Flow]
    FLOW_FUNDING: _ClassVar[Flow]
    FLOW_RELEASES: _ClassVar[Flow]
    FLOW_REFUNDS: _ClassVar[Flow]
    FLOW_PAYMENTS: _ClassVar[Flow]

class FlowChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FLOW_CHANGE_KIND_UNSPECIFIED: _ClassVar[FlowChangeKind]
    FLOW_CHANGE_KIND_STOP: _ClassVar[FlowChangeKind]
    FLOW_CHANGE_KIND_RESUME: _ClassVar[FlowChangeKind]
    FLOW_CHANGE_KIND_LIMIT: _ClassVar[FlowChangeKind]
WALLET_STATE_UNSPECIFIED: WalletState
WALLET_STATE_CREATING: WalletState
WALLET_STATE_ACTIVE: WalletState
WALLET_STATE_FAILED: WalletState
WALLET_STATE_MERGING: WalletState
WALLET_STATE_RETURNING: WalletState
WALLET_STATE_MERGED: WalletState
ESCROW_STATE_UNSPECIFIED: EscrowState
ESCROW_STATE_CREATING: EscrowState
ESCROW_STATE_CREATED: EscrowState
ESCROW_STATE_FUNDING: EscrowState
ESCROW_STATE_FUNDED: EscrowState
ESCROW_STATE_RELEASING: EscrowState
ESCROW_STATE_RELEASED: EscrowState
ESCROW_STATE_REFUNDING: EscrowState
ESCROW_STATE_REFUNDED: EscrowState
ESCROW_STATE_FREEZING: EscrowState
ESCROW_STATE_DISPUTED: EscrowState
ESCROW_STATE_RESOLVING: EscrowState
ESCROW_STATE_RESOLVED: EscrowState
ESCROW_STATE_FAILED: EscrowState
ESCROW_STATE_COMPLETING: EscrowState
COMMAND_KIND_UNSPECIFIED: CommandKind
COMMAND_KIND_CREATE_WALLET: CommandKind
COMMAND_KIND_CREATE: CommandKind
COMMAND_KIND_FUND: CommandKind
COMMAND_KIND_RELEASE: CommandKind
COMMAND_KIND_REFUND: CommandKind
COMMAND_KIND_FREEZE: CommandKind
COMMAND_KIND_RESOLVE: CommandKind
COMMAND_KIND_CREDIT_WALLET: CommandKind
COMMAND_KIND_COMPLETE_MILESTONE: CommandKind
COMMAND_KIND_WITHDRAW: CommandKind
COMMAND_KIND_MERGE_WALLET: CommandKind
COMMAND_STATE_UNSPECIFIED: CommandState
COMMAND_STATE_RUNNING: CommandState
COMMAND_STATE_SUCCEEDED: CommandState
COMMAND_STATE_FAILED: CommandState
COMMAND_STATE_QUARANTINED: CommandState
NETWORK_FINDING_STATE_UNSPECIFIED: NetworkFindingState
NETWORK_FINDING_STATE_WELL: NetworkFindingState
NETWORK_FINDING_STATE_WRONG: NetworkFindingState
NETWORK_FINDING_STATE_UNKNOWN: NetworkFindingState
PAYEE_ROLE_UNSPECIFIED: PayeeRole
PAYEE_ROLE_CONTRACT: PayeeRole
PAYEE_ROLE_SELLER: PayeeRole
PAYEE_ROLE_BUYER: PayeeRole
PAYEE_ROLE_PLATFORM: PayeeRole
PAYEE_ROLE_PROVIDER: PayeeRole
PAYEE_ROLE_WALLET: PayeeRole
FLOW_UNSPECIFIED: Flow
FLOW_FUNDING: Flow
FLOW_RELEASES: Flow
FLOW_REFUNDS: Flow
FLOW_PAYMENTS: Flow
FLOW_CHANGE_KIND_UNSPECIFIED: FlowChangeKind
FLOW_CHANGE_KIND_STOP: FlowChangeKind
FLOW_CHANGE_KIND_RESUME: FlowChangeKind
FLOW_CHANGE_KIND_LIMIT: FlowChangeKind

class Wallet(_message.Message):
    __slots__ = ("id", "user_id", "user_public_id", "address", "state", "balances", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_PUBLIC_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    user_id: str
    user_public_id: str
    address: str
    state: WalletState
    balances: _containers.RepeatedCompositeFieldContainer[_common_pb2.Money]
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., user_id: _Optional[str] = ..., user_public_id: _Optional[str] = ..., address: _Optional[str] = ..., state: _Optional[_Union[WalletState, str]] = ..., balances: _Optional[_Iterable[_Union[_common_pb2.Money, _Mapping]]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Network(_message.Message):
    __slots__ = ("passphrase", "name", "asset_code", "asset_issuer", "asset_contract")
    PASSPHRASE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ASSET_CODE_FIELD_NUMBER: _ClassVar[int]
    ASSET_ISSUER_FIELD_NUMBER: _ClassVar[int]
    ASSET_CONTRACT_FIELD_NUMBER: _ClassVar[int]
    passphrase: str
    name: str
    asset_code: str
    asset_issuer: str
    asset_contract: str
    def __init__(self, passphrase: _Optional[str] = ..., name: _Optional[str] = ..., asset_code: _Optional[str] = ..., asset_issuer: _Optional[str] = ..., asset_contract: _Optional[str] = ...) -> None: ...

class Escrow(_message.Message):
    __slots__ = ("id", "order_id", "contract_id", "state", "amount", "funded_at", "closed_at", "last_error")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FUNDED_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    order_id: str
    contract_id: str
    state: EscrowState
    amount: _common_pb2.Money
    funded_at: _timestamp_pb2.Timestamp
    closed_at: _timestamp_pb2.Timestamp
    last_error: str
    def __init__(self, id: _Optional[str] = ..., order_id: _Optional[str] = ..., contract_id: _Optional[str] = ..., state: _Optional[_Union[EscrowState, str]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., funded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., closed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_error: _Optional[str] = ...) -> None: ...

class ChainPayment(_message.Message):
    __slots__ = ("payee", "from_address", "to_address", "amount", "transaction_hash", "absorbed_fee", "redirected")
    PAYEE_FIELD_NUMBER: _ClassVar[int]
    FROM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TO_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    ABSORBED_FEE_FIELD_NUMBER: _ClassVar[int]
    REDIRECTED_FIELD_NUMBER: _ClassVar[int]
    payee: PayeeRole
    from_address: str
    to_address: str
    amount: _common_pb2.Money
    transaction_hash: str
    absorbed_fee: bool
    redirected: bool
    def __init__(self, payee: _Optional[_Union[PayeeRole, str]] = ..., from_address: _Optional[str] = ..., to_address: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., transaction_hash: _Optional[str] = ..., absorbed_fee: _Optional[bool] = ..., redirected: _Optional[bool] = ...) -> None: ...

class Command(_message.Message):
    __slots__ = ("id", "kind", "state", "escrow", "step", "payments", "error_reason", "error_message", "created_at", "finished_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ESCROW_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: CommandKind
    state: CommandState
    escrow: Escrow
    step: str
    payments: _containers.RepeatedCompositeFieldContainer[ChainPayment]
    error_reason: str
    error_message: str
    created_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[CommandKind, str]] = ..., state: _Optional[_Union[CommandState, str]] = ..., escrow: _Optional[_Union[Escrow, _Mapping]] = ..., step: _Optional[str] = ..., payments: _Optional[_Iterable[_Union[ChainPayment, _Mapping]]] = ..., error_reason: _Optional[str] = ..., error_message: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateWalletRequest(_message.Message):
    __slots__ = ("request_id", "user_id", "user_public_id", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_PUBLIC_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    user_public_id: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., user_public_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class GetWalletRequest(_message.Message):
    __slots__ = ("user_id", "with_balances")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_BALANCES_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    with_balances: bool
    def __init__(self, user_id: _Optional[str] = ..., with_balances: _Optional[bool] = ...) -> None: ...

class GetNetworkRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateEscrowRequest(_message.Message):
    __slots__ = ("request_id", "escrow_id", "order_id", "buyer_user_id", "seller_user_id", "amount", "title", "description", "milestones", "platform_fee_bps")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_USER_ID_FIELD_NUMBER: _ClassVar[int]
    SELLER_USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MILESTONES_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FEE_BPS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    escrow_id: str
    order_id: str
    buyer_user_id: str
    seller_user_id: str
    amount: _common_pb2.Money
    title: str
    description: str
    milestones: _containers.RepeatedScalarFieldContainer[str]
    platform_fee_bps: int
    def __init__(self, request_id: _Optional[str] = ..., escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ..., buyer_user_id: _Optional[str] = ..., seller_user_id: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., milestones: _Optional[_Iterable[str]] = ..., platform_fee_bps: _Optional[int] = ...) -> None: ...

class FundEscrowRequest(_message.Message):
    __slots__ = ("request_id", "order_id", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    order_id: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., order_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class CompleteMilestoneRequest(_message.Message):
    __slots__ = ("request_id", "order_id", "milestone", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MILESTONE_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    order_id: str
    milestone: int
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., order_id: _Optional[str] = ..., milestone: _Optional[int] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class ReleaseEscrowRequest(_message.Message):
    __slots__ = ("request_id", "order_id", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    order_id: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., order_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class RefundEscrowRequest(_message.Message):
    __slots__ = ("request_id", "order_id", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    order_id: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., order_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class FreezeEscrowRequest(_message.Message):
    __slots__ = ("request_id", "order_id", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    order_id: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., order_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class ResolveEscrowRequest(_message.Message):
    __slots__ = ("request_id", "order_id", "seller_share", "buyer_share", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SELLER_SHARE_FIELD_NUMBER: _ClassVar[int]
    BUYER_SHARE_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    order_id: str
    seller_share: _common_pb2.Money
    buyer_share: _common_pb2.Money
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., order_id: _Optional[str] = ..., seller_share: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., buyer_share: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class CreditWalletRequest(_message.Message):
    __slots__ = ("request_id", "user_id", "amount")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    amount: _common_pb2.Money
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class Destination(_message.Message):
    __slots__ = ("address", "memo")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MEMO_FIELD_NUMBER: _ClassVar[int]
    address: str
    memo: _common_pb2.Memo
    def __init__(self, address: _Optional[str] = ..., memo: _Optional[_Union[_common_pb2.Memo, _Mapping]] = ...) -> None: ...

class CheckDestinationRequest(_message.Message):
    __slots__ = ("user_id", "destination", "amount", "by_platform")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BY_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    destination: Destination
    amount: _common_pb2.Money
    by_platform: bool
    def __init__(self, user_id: _Optional[str] = ..., destination: _Optional[_Union[Destination, _Mapping]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., by_platform: _Optional[bool] = ...) -> None: ...

class CheckDestinationResponse(_message.Message):
    __slots__ = ("why", "message")
    WHY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    why: str
    message: str
    def __init__(self, why: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class WithdrawRequest(_message.Message):
    __slots__ = ("request_id", "user_id", "destination", "amount", "by_platform")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BY_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    destination: Destination
    amount: _common_pb2.Money
    by_platform: bool
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., destination: _Optional[_Union[Destination, _Mapping]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., by_platform: _Optional[bool] = ...) -> None: ...

class CheckCommandRequest(_message.Message):
    __slots__ = ("after", "create", "fund", "complete_milestone", "release", "refund", "freeze", "resolve", "withdraw", "credit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    CREATE_FIELD_NUMBER: _ClassVar[int]
    FUND_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_MILESTONE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REFUND_FIELD_NUMBER: _ClassVar[int]
    FREEZE_FIELD_NUMBER: _ClassVar[int]
    RESOLVE_FIELD_NUMBER: _ClassVar[int]
    WITHDRAW_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    after: CreateEscrowRequest
    create: CreateEscrowRequest
    fund: FundEscrowRequest
    complete_milestone: CompleteMilestoneRequest
    release: ReleaseEscrowRequest
    refund: RefundEscrowRequest
    freeze: FreezeEscrowRequest
    resolve: ResolveEscrowRequest
    withdraw: WithdrawRequest
    credit: CreditWalletRequest
    def __init__(self, after: _Optional[_Union[CreateEscrowRequest, _Mapping]] = ..., create: _Optional[_Union[CreateEscrowRequest, _Mapping]] = ..., fund: _Optional[_Union[FundEscrowRequest, _Mapping]] = ..., complete_milestone: _Optional[_Union[CompleteMilestoneRequest, _Mapping]] = ..., release: _Optional[_Union[ReleaseEscrowRequest, _Mapping]] = ..., refund: _Optional[_Union[RefundEscrowRequest, _Mapping]] = ..., freeze: _Optional[_Union[FreezeEscrowRequest, _Mapping]] = ..., resolve: _Optional[_Union[ResolveEscrowRequest, _Mapping]] = ..., withdraw: _Optional[_Union[WithdrawRequest, _Mapping]] = ..., credit: _Optional[_Union[CreditWalletRequest, _Mapping]] = ...) -> None: ...

class CheckCommandResponse(_message.Message):
    __slots__ = ("command", "steps")
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    command: Command
    steps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, command: _Optional[_Union[Command, _Mapping]] = ..., steps: _Optional[_Iterable[str]] = ...) -> None: ...

class GetCommandRequest(_message.Message):
    __slots__ = ("command_id", "wait_seconds")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    wait_seconds: int
    def __init__(self, command_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class GetEscrowRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class ListTransactionsRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class ChainTransaction(_message.Message):
    __slots__ = ("hash", "name", "state", "ledger", "at")
    HASH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    hash: str
    name: str
    state: str
    ledger: int
    at: _timestamp_pb2.Timestamp
    def __init__(self, hash: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[str] = ..., ledger: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListTransactionsResponse(_message.Message):
    __slots__ = ("transactions",)
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[ChainTransaction]
    def __init__(self, transactions: _Optional[_Iterable[_Union[ChainTransaction, _Mapping]]] = ...) -> None: ...

class ListHoldingsRequest(_message.Message):
    __slots__ = ("page",)
    PAGE_FIELD_NUMBER: _ClassVar[int]
    page: _common_pb2.PageRequest
    def __init__(self, page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class Holding(_message.Message):
    __slots__ = ("account", "address", "balance", "in_motion", "is_closed", "is_overfunded")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    IN_MOTION_FIELD_NUMBER: _ClassVar[int]
    IS_CLOSED_FIELD_NUMBER: _ClassVar[int]
    IS_OVERFUNDED_FIELD_NUMBER: _ClassVar[int]
    account: str
    address: str
    balance: _common_pb2.Money
    in_motion: bool
    is_closed: bool
    is_overfunded: bool
    def __init__(self, account: _Optional[str] = ..., address: _Optional[str] = ..., balance: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., in_motion: _Optional[bool] = ..., is_closed: _Optional[bool] = ..., is_overfunded: _Optional[bool] = ...) -> None: ...

class ListHoldingsResponse(_message.Message):
    __slots__ = ("holdings", "next_page_token")
    HOLDINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    holdings: _containers.RepeatedCompositeFieldContainer[Holding]
    next_page_token: str
    def __init__(self, holdings: _Optional[_Iterable[_Union[Holding, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListConcernsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CommandOfConcern(_message.Message):
    __slots__ = ("id", "kind", "state", "step", "reason", "message", "account", "waits", "since")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: CommandKind
    state: CommandState
    step: str
    reason: str
    message: str
    account: str
    waits: int
    since: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[CommandKind, str]] = ..., state: _Optional[_Union[CommandState, str]] = ..., step: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., account: _Optional[str] = ..., waits: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TransferAside(_message.Message):
    __slots__ = ("event_id", "transaction_hash", "ledger", "to_address", "why")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    TO_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    transaction_hash: str
    ledger: int
    to_address: str
    why: str
    def __init__(self, event_id: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., ledger: _Optional[int] = ..., to_address: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class ForeignChange(_message.Message):
    __slots__ = ("event_id", "order_id", "contract_id", "name", "transaction_hash", "ledger", "found_at")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    FOUND_AT_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    order_id: str
    contract_id: str
    name: str
    transaction_hash: str
    ledger: int
    found_at: _timestamp_pb2.Timestamp
    def __init__(self, event_id: _Optional[str] = ..., order_id: _Optional[str] = ..., contract_id: _Optional[str] = ..., name: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., ledger: _Optional[int] = ..., found_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UnclaimedTransaction(_message.Message):
    __slots__ = ("hash", "source", "ledger")
    HASH_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    hash: str
    source: str
    ledger: int
    def __init__(self, hash: _Optional[str] = ..., source: _Optional[str] = ..., ledger: _Optional[int] = ...) -> None: ...

class ChainHold(_message.Message):
    __slots__ = ("why", "since", "unclaimed")
    WHY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNCLAIMED_FIELD_NUMBER: _ClassVar[int]
    why: str
    since: _timestamp_pb2.Timestamp
    unclaimed: _containers.RepeatedCompositeFieldContainer[UnclaimedTransaction]
    def __init__(self, why: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unclaimed: _Optional[_Iterable[_Union[UnclaimedTransaction, _Mapping]]] = ...) -> None: ...

class WatcherBlindness(_message.Message):
    __slots__ = ("why", "since")
    WHY_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    why: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, why: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListConcernsResponse(_message.Message):
    __slots__ = ("commands", "transfers", "hold", "blindness", "changes", "oldest_event_at")
    COMMANDS_FIELD_NUMBER: _ClassVar[int]
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    BLINDNESS_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    commands: _containers.RepeatedCompositeFieldContainer[CommandOfConcern]
    transfers: _containers.RepeatedCompositeFieldContainer[TransferAside]
    hold: ChainHold
    blindness: WatcherBlindness
    changes: _containers.RepeatedCompositeFieldContainer[ForeignChange]
    oldest_event_at: _timestamp_pb2.Timestamp
    def __init__(self, commands: _Optional[_Iterable[_Union[CommandOfConcern, _Mapping]]] = ..., transfers: _Optional[_Iterable[_Union[TransferAside, _Mapping]]] = ..., hold: _Optional[_Union[ChainHold, _Mapping]] = ..., blindness: _Optional[_Union[WatcherBlindness, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[ForeignChange, _Mapping]]] = ..., oldest_event_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CheckNetworkRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NetworkFinding(_message.Message):
    __slots__ = ("name", "state", "says", "todo")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SAYS_FIELD_NUMBER: _ClassVar[int]
    TODO_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: NetworkFindingState
    says: str
    todo: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[NetworkFindingState, str]] = ..., says: _Optional[str] = ..., todo: _Optional[str] = ...) -> None: ...

class CheckNetworkResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[NetworkFinding]
    def __init__(self, findings: _Optional[_Iterable[_Union[NetworkFinding, _Mapping]]] = ...) -> None: ...

class RequeueCommandRequest(_message.Message):
    __slots__ = ("command_id",)
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    def __init__(self, command_id: _Optional[str] = ...) -> None: ...

class AdoptTransactionRequest(_message.Message):
    __slots__ = ("command_id", "transaction_hash", "why")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    transaction_hash: str
    why: str
    def __init__(self, command_id: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class AbandonCommandRequest(_message.Message):
    __slots__ = ("command_id", "why")
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    command_id: str
    why: str
    def __init__(self, command_id: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class RedirectPayoutRequest(_message.Message):
    __slots__ = ("order_id", "party", "address", "why")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    party: PayeeRole
    address: str
    why: str
    def __init__(self, order_id: _Optional[str] = ..., party: _Optional[_Union[PayeeRole, str]] = ..., address: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class RedirectPayoutByRuleRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "party", "address", "why", "approval_hours", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_HOURS_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    party: PayeeRole
    address: str
    why: str
    approval_hours: int
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., party: _Optional[_Union[PayeeRole, str]] = ..., address: _Optional[str] = ..., why: _Optional[str] = ..., approval_hours: _Optional[int] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class Redirect(_message.Message):
    __slots__ = ("party", "address", "proposed_by", "expires_at", "approved_by")
    PARTY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_BY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    party: PayeeRole
    address: str
    proposed_by: str
    expires_at: _timestamp_pb2.Timestamp
    approved_by: str
    def __init__(self, party: _Optional[_Union[PayeeRole, str]] = ..., address: _Optional[str] = ..., proposed_by: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., approved_by: _Optional[str] = ...) -> None: ...

class ConfirmChainRequest(_message.Message):
    __slots__ = ("why",)
    WHY_FIELD_NUMBER: _ClassVar[int]
    why: str
    def __init__(self, why: _Optional[str] = ...) -> None: ...

class ConfirmChainResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StopFlowRequest(_message.Message):
    __slots__ = ("flow", "all_marketplaces", "reason")
    FLOW_FIELD_NUMBER: _ClassVar[int]
    ALL_MARKETPLACES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    flow: Flow
    all_marketplaces: bool
    reason: str
    def __init__(self, flow: _Optional[_Union[Flow, str]] = ..., all_marketplaces: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class ResumeFlowRequest(_message.Message):
    __slots__ = ("flow", "all_marketplaces", "reason")
    FLOW_FIELD_NUMBER: _ClassVar[int]
    ALL_MARKETPLACES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    flow: Flow
    all_marketplaces: bool
    reason: str
    def __init__(self, flow: _Optional[_Union[Flow, str]] = ..., all_marketplaces: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class LimitFlowRequest(_message.Message):
    __slots__ = ("flow", "all_marketplaces", "reason", "daily_limit")
    FLOW_FIELD_NUMBER: _ClassVar[int]
    ALL_MARKETPLACES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DAILY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    flow: Flow
    all_marketplaces: bool
    reason: str
    daily_limit: _common_pb2.Money
    def __init__(self, flow: _Optional[_Union[Flow, str]] = ..., all_marketplaces: _Optional[bool] = ..., reason: _Optional[str] = ..., daily_limit: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class ListFlowsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FlowState(_message.Message):
    __slots__ = ("flow", "is_stopped", "daily_limit", "used_today")
    FLOW_FIELD_NUMBER: _ClassVar[int]
    IS_STOPPED_FIELD_NUMBER: _ClassVar[int]
    DAILY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    USED_TODAY_FIELD_NUMBER: _ClassVar[int]
    flow: Flow
    is_stopped: bool
    daily_limit: _common_pb2.Money
    used_today: _common_pb2.Money
    def __init__(self, flow: _Optional[_Union[Flow, str]] = ..., is_stopped: _Optional[bool] = ..., daily_limit: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., used_today: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class FlowChange(_message.Message):
    __slots__ = ("flow", "change", "all_marketplaces", "daily_limit", "reason", "by", "at")
    FLOW_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    ALL_MARKETPLACES_FIELD_NUMBER: _ClassVar[int]
    DAILY_LIMIT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    flow: Flow
    change: FlowChangeKind
    all_marketplaces: bool
    daily_limit: _common_pb2.Money
    reason: str
    by: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, flow: _Optional[_Union[Flow, str]] = ..., change: _Optional[_Union[FlowChangeKind, str]] = ..., all_marketplaces: _Optional[bool] = ..., daily_limit: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reason: _Optional[str] = ..., by: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FlowReport(_message.Message):
    __slots__ = ("flows", "history")
    FLOWS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    flows: _containers.RepeatedCompositeFieldContainer[FlowState]
    history: _containers.RepeatedCompositeFieldContainer[FlowChange]
    def __init__(self, flows: _Optional[_Iterable[_Union[FlowState, _Mapping]]] = ..., history: _Optional[_Iterable[_Union[FlowChange, _Mapping]]] = ...) -> None: ...

class RewrapKeysRequest(_message.Message):
    __slots__ = ("after",)
    AFTER_FIELD_NUMBER: _ClassVar[int]
    after: str
    def __init__(self, after: _Optional[str] = ...) -> None: ...

class RewrapKeysResponse(_message.Message):
    __slots__ = ("rewrapped", "unusable", "next_after", "key_id")
    REWRAPPED_FIELD_NUMBER: _ClassVar[int]
    UNUSABLE_FIELD_NUMBER: _ClassVar[int]
    NEXT_AFTER_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    rewrapped: int
    unusable: _containers.RepeatedScalarFieldContainer[str]
    next_after: str
    key_id: str
    def __init__(self, rewrapped: _Optional[int] = ..., unusable: _Optional[_Iterable[str]] = ..., next_after: _Optional[str] = ..., key_id: _Optional[str] = ...) -> None: ...
