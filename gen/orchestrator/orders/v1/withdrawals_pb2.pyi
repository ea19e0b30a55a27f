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

class WithdrawalState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WITHDRAWAL_STATE_UNSPECIFIED: _ClassVar[WithdrawalState]
    WITHDRAWAL_STATE_CREATED: _ClassVar[WithdrawalState]
    WITHDRAWAL_STATE_PENDING: _ClassVar[WithdrawalState]
    WITHDRAWAL_STATE_COMPLETED: _ClassVar[WithdrawalState]
    WITHDRAWAL_STATE_FAILED: _ClassVar[WithdrawalState]
    WITHDRAWAL_STATE_CANCELED: _ClassVar[WithdrawalState]
    WITHDRAWAL_STATE_AWAITING_APPROVAL: _ClassVar[WithdrawalState]
WITHDRAWAL_STATE_UNSPECIFIED: WithdrawalState
WITHDRAWAL_STATE_CREATED: WithdrawalState
WITHDRAWAL_STATE_PENDING: WithdrawalState
WITHDRAWAL_STATE_COMPLETED: WithdrawalState
WITHDRAWAL_STATE_FAILED: WithdrawalState
WITHDRAWAL_STATE_CANCELED: WithdrawalState
WITHDRAWAL_STATE_AWAITING_APPROVAL: WithdrawalState

class Withdrawal(_message.Message):
    __slots__ = ("id", "user", "amount", "destination", "memo", "reference", "state", "in_progress", "failure_reason", "failure_message", "transaction_hash", "created_at", "committed_at", "finished_at", "created_by", "committed_by", "approved_by", "approval_ends_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    MEMO_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    IN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_BY_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: _common_pb2.UserRef
    amount: _common_pb2.Money
    destination: str
    memo: _common_pb2.Memo
    reference: str
    state: WithdrawalState
    in_progress: bool
    failure_reason: str
    failure_message: str
    transaction_hash: str
    created_at: _timestamp_pb2.Timestamp
    committed_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    created_by: str
    committed_by: str
    approved_by: str
    approval_ends_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., user: _Optional[_Union[_common_pb2.UserRef, _Mapping]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., destination: _Optional[str] = ..., memo: _Optional[_Union[_common_pb2.Memo, _Mapping]] = ..., reference: _Optional[str] = ..., state: _Optional[_Union[WithdrawalState, str]] = ..., in_progress: _Optional[bool] = ..., failure_reason: _Optional[str] = ..., failure_message: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., committed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_by: _Optional[str] = ..., committed_by: _Optional[str] = ..., approved_by: _Optional[str] = ..., approval_ends_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WithdrawalRules(_message.Message):
    __slots__ = ("least", "most", "most_per_day", "lists_destinations", "destinations", "new_destination_hours", "approval_above", "approval_hours")
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    MOST_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    LISTS_DESTINATIONS_FIELD_NUMBER: _ClassVar[int]
    DESTINATIONS_FIELD_NUMBER: _ClassVar[int]
    NEW_DESTINATION_HOURS_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_ABOVE_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_HOURS_FIELD_NUMBER: _ClassVar[int]
    least: _common_pb2.Money
    most: _common_pb2.Money
    most_per_day: _common_pb2.Money
    lists_destinations: bool
    destinations: _containers.RepeatedScalarFieldContainer[str]
    new_destination_hours: int
    approval_above: _common_pb2.Money
    approval_hours: int
    def __init__(self, least: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., most: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., most_per_day: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., lists_destinations: _Optional[bool] = ..., destinations: _Optional[_Iterable[str]] = ..., new_destination_hours: _Optional[int] = ..., approval_above: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., approval_hours: _Optional[int] = ...) -> None: ...

class CreateWithdrawalRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "user", "amount", "destination", "memo", "reference", "commit", "wait_seconds", "by_platform")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    MEMO_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BY_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    user: str
    amount: _common_pb2.Money
    destination: str
    memo: _common_pb2.Memo
    reference: str
    commit: bool
    wait_seconds: int
    by_platform: bool
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., user: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., destination: _Optional[str] = ..., memo: _Optional[_Union[_common_pb2.Memo, _Mapping]] = ..., reference: _Optional[str] = ..., commit: _Optional[bool] = ..., wait_seconds: _Optional[int] = ..., by_platform: _Optional[bool] = ...) -> None: ...

class CommitWithdrawalRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "withdrawal_id", "wait_seconds", "by_platform")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BY_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    withdrawal_id: str
    wait_seconds: int
    by_platform: bool
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., withdrawal_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ..., by_platform: _Optional[bool] = ...) -> None: ...

class ApproveWithdrawalRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "withdrawal_id", "wait_seconds", "by_platform")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BY_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    withdrawal_id: str
    wait_seconds: int
    by_platform: bool
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., withdrawal_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ..., by_platform: _Optional[bool] = ...) -> None: ...

class CancelWithdrawalRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "withdrawal_id", "by_platform")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    BY_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    withdrawal_id: str
    by_platform: bool
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., withdrawal_id: _Optional[str] = ..., by_platform: _Optional[bool] = ...) -> None: ...

class GetWithdrawalRequest(_message.Message):
    __slots__ = ("withdrawal_id", "by_platform")
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    BY_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    withdrawal_id: str
    by_platform: bool
    def __init__(self, withdrawal_id: _Optional[str] = ..., by_platform: _Optional[bool] = ...) -> None: ...

class ListWithdrawalsRequest(_message.Message):
    __slots__ = ("page", "user", "state", "reference", "by_platform")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    BY_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    page: _common_pb2.PageRequest
    user: str
    state: WithdrawalState
    reference: str
    by_platform: bool
    def __init__(self, page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ..., user: _Optional[str] = ..., state: _Optional[_Union[WithdrawalState, str]] = ..., reference: _Optional[str] = ..., by_platform: _Optional[bool] = ...) -> None: ...

class ListWithdrawalsResponse(_message.Message):
    __slots__ = ("withdrawals", "next_page_token")
    WITHDRAWALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    withdrawals: _containers.RepeatedCompositeFieldContainer[Withdrawal]
    next_page_token: str
    def __init__(self, withdrawals: _Optional[_Iterable[_Union[Withdrawal, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RedirectPayoutRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "party", "address", "why", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    party: _common_pb2.Party
    address: str
    why: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., party: _Optional[_Union[_common_pb2.Party, str]] = ..., address: _Optional[str] = ..., why: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class PayoutRedirect(_message.Message):
    __slots__ = ("order_id", "party", "address", "is_approved", "proposed_by", "approved_by", "expires_at")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    IS_APPROVED_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_BY_FIELD_NUMBER: _ClassVar[int]
    APPROVED_BY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    party: _common_pb2.Party
    address: str
    is_approved: bool
    proposed_by: str
    approved_by: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, order_id: _Optional[str] = ..., party: _Optional[_Union[_common_pb2.Party, str]] = ..., address: _Optional[str] = ..., is_approved: _Optional[bool] = ..., proposed_by: _Optional[str] = ..., approved_by: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
