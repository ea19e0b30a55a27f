import datetime

from orchestrator.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from orchestrator.common.v1 import common_pb2 as _common_pb2
from orchestrator.ledger.v1 import corrections_pb2 as _corrections_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransferType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_TYPE_UNSPECIFIED: _ClassVar[TransferType]
    TRANSFER_TYPE_SINGLE: _ClassVar[TransferType]
    TRANSFER_TYPE_PENDING: _ClassVar[TransferType]
    TRANSFER_TYPE_POST: _ClassVar[TransferType]
    TRANSFER_TYPE_VOID: _ClassVar[TransferType]

class TransferCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_CODE_UNSPECIFIED: _ClassVar[TransferCode]
    TRANSFER_CODE_DEPOSIT: _ClassVar[TransferCode]
    TRANSFER_CODE_RESERVE: _ClassVar[TransferCode]
    TRANSFER_CODE_CANCEL: _ClassVar[TransferCode]
    TRANSFER_CODE_FUND: _ClassVar[TransferCode]
    TRANSFER_CODE_RELEASE: _ClassVar[TransferCode]
    TRANSFER_CODE_REFUND: _ClassVar[TransferCode]
    TRANSFER_CODE_DISPUTE_RELEASE: _ClassVar[TransferCode]
    TRANSFER_CODE_DISPUTE_REFUND: _ClassVar[TransferCode]
    TRANSFER_CODE_PROVIDER_FEE: _ClassVar[TransferCode]
    TRANSFER_CODE_PLATFORM_FEE: _ClassVar[TransferCode]
    TRANSFER_CODE_FEE_ABSORBED: _ClassVar[TransferCode]
    TRANSFER_CODE_MANUAL_CREDIT: _ClassVar[TransferCode]
    TRANSFER_CODE_CORRECTION: _ClassVar[TransferCode]
    TRANSFER_CODE_SURPLUS: _ClassVar[TransferCode]
    TRANSFER_CODE_WITHDRAWAL: _ClassVar[TransferCode]

class TransferStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_STATUS_UNSPECIFIED: _ClassVar[TransferStatus]
    TRANSFER_STATUS_CREATED: _ClassVar[TransferStatus]
    TRANSFER_STATUS_EXISTS: _ClassVar[TransferStatus]
    TRANSFER_STATUS_REFUSED: _ClassVar[TransferStatus]
TRANSFER_TYPE_UNSPECIFIED: TransferType
TRANSFER_TYPE_SINGLE: TransferType
TRANSFER_TYPE_PENDING: TransferType
TRANSFER_TYPE_POST: TransferType
TRANSFER_TYPE_VOID: TransferType
TRANSFER_CODE_UNSPECIFIED: TransferCode
TRANSFER_CODE_DEPOSIT: TransferCode
TRANSFER_CODE_RESERVE: TransferCode
TRANSFER_CODE_CANCEL: TransferCode
TRANSFER_CODE_FUND: TransferCode
TRANSFER_CODE_RELEASE: TransferCode
TRANSFER_CODE_REFUND: TransferCode
TRANSFER_CODE_DISPUTE_RELEASE: TransferCode
TRANSFER_CODE_DISPUTE_REFUND: TransferCode
TRANSFER_CODE_PROVIDER_FEE: TransferCode
TRANSFER_CODE_PLATFORM_FEE: TransferCode
TRANSFER_CODE_FEE_ABSORBED: TransferCode
TRANSFER_CODE_MANUAL_CREDIT: TransferCode
TRANSFER_CODE_CORRECTION: TransferCode
TRANSFER_CODE_SURPLUS: TransferCode
TRANSFER_CODE_WITHDRAWAL: TransferCode
TRANSFER_STATUS_UNSPECIFIED: TransferStatus
TRANSFER_STATUS_CREATED: TransferStatus
TRANSFER_STATUS_EXISTS: TransferStatus
TRANSFER_STATUS_REFUSED: TransferStatus

class Account(_message.Message):
    __slots__ = ("user_id", "public_id", "available", "reserved")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ID_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    public_id: str
    available: _common_pb2.Money
    reserved: _common_pb2.Money
    def __init__(self, user_id: _Optional[str] = ..., public_id: _Optional[str] = ..., available: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reserved: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class OpenAccountRequest(_message.Message):
    __slots__ = ("request_id", "user_id", "public_id", "asset")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    public_id: str
    asset: str
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., public_id: _Optional[str] = ..., asset: _Optional[str] = ...) -> None: ...

class NewTransfer(_message.Message):
    __slots__ = ("id", "type", "code", "debit_account", "credit_account", "amount", "pending_id", "linked", "order_id", "transaction_hash", "reason", "bars")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DEBIT_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_ID_FIELD_NUMBER: _ClassVar[int]
    LINKED_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BARS_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: TransferType
    code: TransferCode
    debit_account: str
    credit_account: str
    amount: _common_pb2.Money
    pending_id: str
    linked: bool
    order_id: str
    transaction_hash: str
    reason: str
    bars: bool
    def __init__(self, id: _Optional[str] = ..., type: _Optional[_Union[TransferType, str]] = ..., code: _Optional[_Union[TransferCode, str]] = ..., debit_account: _Optional[str] = ..., credit_account: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., pending_id: _Optional[str] = ..., linked: _Optional[bool] = ..., order_id: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., reason: _Optional[str] = ..., bars: _Optional[bool] = ...) -> None: ...

class CheckTransfersRequest(_message.Message):
    __slots__ = ("transfers", "user_ids", "asset")
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    USER_IDS_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    transfers: _containers.RepeatedCompositeFieldContainer[NewTransfer]
    user_ids: _containers.RepeatedScalarFieldContainer[str]
    asset: str
    def __init__(self, transfers: _Optional[_Iterable[_Union[NewTransfer, _Mapping]]] = ..., user_ids: _Optional[_Iterable[str]] = ..., asset: _Optional[str] = ...) -> None: ...

class CheckTransfersResponse(_message.Message):
    __slots__ = ("results", "before", "after")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[TransferResult]
    before: _containers.RepeatedCompositeFieldContainer[Account]
    after: _containers.RepeatedCompositeFieldContainer[Account]
    def __init__(self, results: _Optional[_Iterable[_Union[TransferResult, _Mapping]]] = ..., before: _Optional[_Iterable[_Union[Account, _Mapping]]] = ..., after: _Optional[_Iterable[_Union[Account, _Mapping]]] = ...) -> None: ...

class PostTransfersRequest(_message.Message):
    __slots__ = ("request_id", "transfers")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    transfers: _containers.RepeatedCompositeFieldContainer[NewTransfer]
    def __init__(self, request_id: _Optional[str] = ..., transfers: _Optional[_Iterable[_Union[NewTransfer, _Mapping]]] = ...) -> None: ...

class TransferResult(_message.Message):
    __slots__ = ("id", "status", "reason", "available", "requested", "debited", "credited")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    DEBITED_FIELD_NUMBER: _ClassVar[int]
    CREDITED_FIELD_NUMBER: _ClassVar[int]
    id: str
    status: TransferStatus
    reason: str
    available: _common_pb2.Money
    requested: _common_pb2.Money
    debited: Account
    credited: Account
    def __init__(self, id: _Optional[str] = ..., status: _Optional[_Union[TransferStatus, str]] = ..., reason: _Optional[str] = ..., available: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., requested: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., debited: _Optional[_Union[Account, _Mapping]] = ..., credited: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class PostTransfersResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[TransferResult]
    def __init__(self, results: _Optional[_Iterable[_Union[TransferResult, _Mapping]]] = ...) -> None: ...

class GetBalanceRequest(_message.Message):
    __slots__ = ("user_id", "asset")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    asset: str
    def __init__(self, user_id: _Optional[str] = ..., asset: _Optional[str] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("user_id", "asset", "page")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    asset: str
    page: _common_pb2.PageRequest
    def __init__(self, user_id: _Optional[str] = ..., asset: _Optional[str] = ..., page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("transfer_id", "code", "type", "order_id", "available_change", "reserved_change", "available_after", "reserved_after", "transaction_hash", "reason", "at", "payment_id")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_CHANGE_FIELD_NUMBER: _ClassVar[int]
    RESERVED_CHANGE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_AFTER_FIELD_NUMBER: _ClassVar[int]
    RESERVED_AFTER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    code: TransferCode
    type: TransferType
    order_id: str
    available_change: int
    reserved_change: int
    available_after: _common_pb2.Money
    reserved_after: _common_pb2.Money
    transaction_hash: str
    reason: str
    at: _timestamp_pb2.Timestamp
    payment_id: str
    def __init__(self, transfer_id: _Optional[str] = ..., code: _Optional[_Union[TransferCode, str]] = ..., type: _Optional[_Union[TransferType, str]] = ..., order_id: _Optional[str] = ..., available_change: _Optional[int] = ..., reserved_change: _Optional[int] = ..., available_after: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reserved_after: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., transaction_hash: _Optional[str] = ..., reason: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., payment_id: _Optional[str] = ...) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Transfer(_message.Message):
    __slots__ = ("id", "type", "code", "debit_account", "credit_account", "amount", "pending_id", "order_id", "transaction_hash", "reason", "at")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DEBIT_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: TransferType
    code: TransferCode
    debit_account: str
    credit_account: str
    amount: _common_pb2.Money
    pending_id: str
    order_id: str
    transaction_hash: str
    reason: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., type: _Optional[_Union[TransferType, str]] = ..., code: _Optional[_Union[TransferCode, str]] = ..., debit_account: _Optional[str] = ..., credit_account: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., pending_id: _Optional[str] = ..., order_id: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., reason: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListTransfersRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class ListTransfersResponse(_message.Message):
    __slots__ = ("transfers",)
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    transfers: _containers.RepeatedCompositeFieldContainer[Transfer]
    def __init__(self, transfers: _Optional[_Iterable[_Union[Transfer, _Mapping]]] = ...) -> None: ...

class GetTransferRequest(_message.Message):
    __slots__ = ("transfer_id",)
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    def __init__(self, transfer_id: _Optional[str] = ...) -> None: ...

class ListAccountsRequest(_message.Message):
    __slots__ = ("only_open", "page", "accounts")
    ONLY_OPEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    only_open: bool
    page: _common_pb2.PageRequest
    accounts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, only_open: _Optional[bool] = ..., page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ..., accounts: _Optional[_Iterable[str]] = ...) -> None: ...

class AccountBalance(_message.Message):
    __slots__ = ("account", "asset", "balance")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    account: str
    asset: str
    balance: int
    def __init__(self, account: _Optional[str] = ..., asset: _Optional[str] = ..., balance: _Optional[int] = ...) -> None: ...

class ListAccountsResponse(_message.Message):
    __slots__ = ("accounts", "next_page_token")
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    accounts: _containers.RepeatedCompositeFieldContainer[AccountBalance]
    next_page_token: str
    def __init__(self, accounts: _Optional[_Iterable[_Union[AccountBalance, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetPlatformBalanceRequest(_message.Message):
    __slots__ = ("asset",)
    ASSET_FIELD_NUMBER: _ClassVar[int]
    asset: str
    def __init__(self, asset: _Optional[str] = ...) -> None: ...

class PlatformBalance(_message.Message):
    __slots__ = ("earned", "borne", "withdrawn", "available", "reserved", "credited", "suspense")
    EARNED_FIELD_NUMBER: _ClassVar[int]
    BORNE_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    CREDITED_FIELD_NUMBER: _ClassVar[int]
    SUSPENSE_FIELD_NUMBER: _ClassVar[int]
    earned: _common_pb2.Money
    borne: _common_pb2.Money
    withdrawn: _common_pb2.Money
    available: _common_pb2.Money
    reserved: _common_pb2.Money
    credited: _common_pb2.Money
    suspense: _common_pb2.Money
    def __init__(self, earned: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., borne: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., withdrawn: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., available: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reserved: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., credited: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., suspense: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class ListPlatformEntriesRequest(_message.Message):
    __slots__ = ("asset", "page")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    asset: str
    page: _common_pb2.PageRequest
    def __init__(self, asset: _Optional[str] = ..., page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class PlatformEntry(_message.Message):
    __slots__ = ("transfer", "account", "change")
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    transfer: Transfer
    account: str
    change: int
    def __init__(self, transfer: _Optional[_Union[Transfer, _Mapping]] = ..., account: _Optional[str] = ..., change: _Optional[int] = ...) -> None: ...

class ListPlatformEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[PlatformEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[PlatformEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSuspenseRequest(_message.Message):
    __slots__ = ("only_open", "page")
    ONLY_OPEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    only_open: bool
    page: _common_pb2.PageRequest
    def __init__(self, only_open: _Optional[bool] = ..., page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class SuspendedDeposit(_message.Message):
    __slots__ = ("transfer", "user_id", "memo", "credited_by")
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    MEMO_FIELD_NUMBER: _ClassVar[int]
    CREDITED_BY_FIELD_NUMBER: _ClassVar[int]
    transfer: Transfer
    user_id: str
    memo: str
    credited_by: str
    def __init__(self, transfer: _Optional[_Union[Transfer, _Mapping]] = ..., user_id: _Optional[str] = ..., memo: _Optional[str] = ..., credited_by: _Optional[str] = ...) -> None: ...

class ListSuspenseResponse(_message.Message):
    __slots__ = ("deposits", "next_page_token")
    DEPOSITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    deposits: _containers.RepeatedCompositeFieldContainer[SuspendedDeposit]
    next_page_token: str
    def __init__(self, deposits: _Optional[_Iterable[_Union[SuspendedDeposit, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreditSuspenseRequest(_message.Message):
    __slots__ = ("transfer_id", "reason")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    reason: str
    def __init__(self, transfer_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ListOpenHoldsRequest(_message.Message):
    __slots__ = ("page",)
    PAGE_FIELD_NUMBER: _ClassVar[int]
    page: _common_pb2.PageRequest
    def __init__(self, page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListOpenHoldsResponse(_message.Message):
    __slots__ = ("holds", "next_page_token")
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    holds: _containers.RepeatedCompositeFieldContainer[Transfer]
    next_page_token: str
    def __init__(self, holds: _Optional[_Iterable[_Union[Transfer, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CheckInvariantsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class InvariantResult(_message.Message):
    __slots__ = ("name", "holds", "details")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    name: str
    holds: bool
    details: str
    def __init__(self, name: _Optional[str] = ..., holds: _Optional[bool] = ..., details: _Optional[str] = ...) -> None: ...

class CheckInvariantsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[InvariantResult]
    def __init__(self, results: _Optional[_Iterable[_Union[InvariantResult, _Mapping]]] = ...) -> None: ...

class GetBooksRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AssetBooks(_message.Message):
    __slots__ = ("asset", "available", "reserved", "in_escrow", "in_suspense")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    IN_ESCROW_FIELD_NUMBER: _ClassVar[int]
    IN_SUSPENSE_FIELD_NUMBER: _ClassVar[int]
    asset: str
    available: int
    reserved: int
    in_escrow: int
    in_suspense: int
    def __init__(self, asset: _Optional[str] = ..., available: _Optional[int] = ..., reserved: _Optional[int] = ..., in_escrow: _Optional[int] = ..., in_suspense: _Optional[int] = ...) -> None: ...

class Books(_message.Message):
    __slots__ = ("checked_at", "money", "invariants", "is_checking", "oldest_event_at")
    CHECKED_AT_FIELD_NUMBER: _ClassVar[int]
    MONEY_FIELD_NUMBER: _ClassVar[int]
    INVARIANTS_FIELD_NUMBER: _ClassVar[int]
    IS_CHECKING_FIELD_NUMBER: _ClassVar[int]
    OLDEST_EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    checked_at: _timestamp_pb2.Timestamp
    money: _containers.RepeatedCompositeFieldContainer[AssetBooks]
    invariants: _containers.RepeatedCompositeFieldContainer[InvariantResult]
    is_checking: bool
    oldest_event_at: _timestamp_pb2.Timestamp
    def __init__(self, checked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., money: _Optional[_Iterable[_Union[AssetBooks, _Mapping]]] = ..., invariants: _Optional[_Iterable[_Union[InvariantResult, _Mapping]]] = ..., is_checking: _Optional[bool] = ..., oldest_event_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
