import datetime

from orchestrator.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from orchestrator.common.v1 import common_pb2 as _common_pb2
from orchestrator.orders.v1 import orders_pb2 as _orders_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DisputeStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPUTE_STATUS_UNSPECIFIED: _ClassVar[DisputeStatus]
    DISPUTE_STATUS_OPEN: _ClassVar[DisputeStatus]
    DISPUTE_STATUS_UNDER_REVIEW: _ClassVar[DisputeStatus]
    DISPUTE_STATUS_RESOLVED: _ClassVar[DisputeStatus]

class DisputeAuthor(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPUTE_AUTHOR_UNSPECIFIED: _ClassVar[DisputeAuthor]
    DISPUTE_AUTHOR_BUYER: _ClassVar[DisputeAuthor]
    DISPUTE_AUTHOR_SELLER: _ClassVar[DisputeAuthor]
    DISPUTE_AUTHOR_SUPPORT: _ClassVar[DisputeAuthor]
DISPUTE_STATUS_UNSPECIFIED: DisputeStatus
DISPUTE_STATUS_OPEN: DisputeStatus
DISPUTE_STATUS_UNDER_REVIEW: DisputeStatus
DISPUTE_STATUS_RESOLVED: DisputeStatus
DISPUTE_AUTHOR_UNSPECIFIED: DisputeAuthor
DISPUTE_AUTHOR_BUYER: DisputeAuthor
DISPUTE_AUTHOR_SELLER: DisputeAuthor
DISPUTE_AUTHOR_SUPPORT: DisputeAuthor

class Dispute(_message.Message):
    __slots__ = ("id", "order_id", "status", "opened_by", "reason", "description", "initiated_by", "evidence", "contract_snapshot_json", "assigned_to", "assignment_notes", "decision", "release_amount", "refund_amount", "resolution_note", "resolved_by", "created_at", "updated_at", "decided_at", "resolved_at", "amount", "resolved_by_name", "assigned_to_name", "first_answer_due_at", "decision_due_at", "first_answered_at", "overdue")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INITIATED_BY_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_SNAPSHOT_JSON_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TO_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_NOTES_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    RELEASE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUND_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_NOTE_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_AT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_NAME_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TO_NAME_FIELD_NUMBER: _ClassVar[int]
    FIRST_ANSWER_DUE_AT_FIELD_NUMBER: _ClassVar[int]
    DECISION_DUE_AT_FIELD_NUMBER: _ClassVar[int]
    FIRST_ANSWERED_AT_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    id: str
    order_id: str
    status: DisputeStatus
    opened_by: _common_pb2.Party
    reason: _orders_pb2.DisputeReason
    description: str
    initiated_by: str
    evidence: _containers.RepeatedScalarFieldContainer[str]
    contract_snapshot_json: str
    assigned_to: str
    assignment_notes: str
    decision: _orders_pb2.DisputeDecision
    release_amount: _common_pb2.Money
    refund_amount: _common_pb2.Money
    resolution_note: str
    resolved_by: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    decided_at: _timestamp_pb2.Timestamp
    resolved_at: _timestamp_pb2.Timestamp
    amount: _common_pb2.Money
    resolved_by_name: str
    assigned_to_name: str
    first_answer_due_at: _timestamp_pb2.Timestamp
    decision_due_at: _timestamp_pb2.Timestamp
    first_answered_at: _timestamp_pb2.Timestamp
    overdue: bool
    def __init__(self, id: _Optional[str] = ..., order_id: _Optional[str] = ..., status: _Optional[_Union[DisputeStatus, str]] = ..., opened_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[_Union[_orders_pb2.DisputeReason, str]] = ..., description: _Optional[str] = ..., initiated_by: _Optional[str] = ..., evidence: _Optional[_Iterable[str]] = ..., contract_snapshot_json: _Optional[str] = ..., assigned_to: _Optional[str] = ..., assignment_notes: _Optional[str] = ..., decision: _Optional[_Union[_orders_pb2.DisputeDecision, str]] = ..., release_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., refund_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., resolution_note: _Optional[str] = ..., resolved_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resolved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., resolved_by_name: _Optional[str] = ..., assigned_to_name: _Optional[str] = ..., first_answer_due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decision_due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., first_answered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., overdue: _Optional[bool] = ...) -> None: ...

class DisputeMessage(_message.Message):
    __slots__ = ("id", "dispute_id", "author", "author_id", "author_name", "text", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    dispute_id: str
    author: DisputeAuthor
    author_id: str
    author_name: str
    text: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., author: _Optional[_Union[DisputeAuthor, str]] = ..., author_id: _Optional[str] = ..., author_name: _Optional[str] = ..., text: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DisputeNote(_message.Message):
    __slots__ = ("id", "dispute_id", "author_id", "author_name", "text", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    dispute_id: str
    author_id: str
    author_name: str
    text: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., author_id: _Optional[str] = ..., author_name: _Optional[str] = ..., text: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class OpenDisputeRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "dispute_id", "order_id", "opened_by", "reason", "description", "initiated_by", "evidence", "contract_snapshot_json", "amount", "buyer_id", "seller_id", "first_answer_hours", "decision_hours", "clock_offset_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INITIATED_BY_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_SNAPSHOT_JSON_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    SELLER_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_ANSWER_HOURS_FIELD_NUMBER: _ClassVar[int]
    DECISION_HOURS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    dispute_id: str
    order_id: str
    opened_by: _common_pb2.Party
    reason: _orders_pb2.DisputeReason
    description: str
    initiated_by: str
    evidence: _containers.RepeatedScalarFieldContainer[str]
    contract_snapshot_json: str
    amount: _common_pb2.Money
    buyer_id: str
    seller_id: str
    first_answer_hours: int
    decision_hours: int
    clock_offset_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ..., opened_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[_Union[_orders_pb2.DisputeReason, str]] = ..., description: _Optional[str] = ..., initiated_by: _Optional[str] = ..., evidence: _Optional[_Iterable[str]] = ..., contract_snapshot_json: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., buyer_id: _Optional[str] = ..., seller_id: _Optional[str] = ..., first_answer_hours: _Optional[int] = ..., decision_hours: _Optional[int] = ..., clock_offset_seconds: _Optional[int] = ...) -> None: ...

class GetDisputeRequest(_message.Message):
    __slots__ = ("dispute_id", "order_id")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    order_id: str
    def __init__(self, dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class ListDisputesRequest(_message.Message):
    __slots__ = ("page", "order_id", "status", "dispute_ids", "assigned_to", "opened_by", "opened_from", "opened_to", "overdue")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_IDS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TO_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    OPENED_FROM_FIELD_NUMBER: _ClassVar[int]
    OPENED_TO_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    page: _common_pb2.PageRequest
    order_id: str
    status: DisputeStatus
    dispute_ids: _containers.RepeatedScalarFieldContainer[str]
    assigned_to: str
    opened_by: _common_pb2.Party
    opened_from: _timestamp_pb2.Timestamp
    opened_to: _timestamp_pb2.Timestamp
    overdue: bool
    def __init__(self, page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ..., order_id: _Optional[str] = ..., status: _Optional[_Union[DisputeStatus, str]] = ..., dispute_ids: _Optional[_Iterable[str]] = ..., assigned_to: _Optional[str] = ..., opened_by: _Optional[_Union[_common_pb2.Party, str]] = ..., opened_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., opened_to: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., overdue: _Optional[bool] = ...) -> None: ...

class ListDisputesResponse(_message.Message):
    __slots__ = ("disputes", "next_page_token")
    DISPUTES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    disputes: _containers.RepeatedCompositeFieldContainer[Dispute]
    next_page_token: str
    def __init__(self, disputes: _Optional[_Iterable[_Union[Dispute, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AssignDisputeRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "dispute_id", "agent_id", "notes")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    dispute_id: str
    agent_id: str
    notes: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., dispute_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., notes: _Optional[str] = ...) -> None: ...

class UnassignDisputeRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "dispute_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    dispute_id: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., dispute_id: _Optional[str] = ...) -> None: ...

class AddMessageRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "dispute_id", "text")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    dispute_id: str
    text: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., dispute_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ListMessagesRequest(_message.Message):
    __slots__ = ("dispute_id", "page")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    page: _common_pb2.PageRequest
    def __init__(self, dispute_id: _Optional[str] = ..., page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListMessagesResponse(_message.Message):
    __slots__ = ("messages", "next_page_token")
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[DisputeMessage]
    next_page_token: str
    def __init__(self, messages: _Optional[_Iterable[_Union[DisputeMessage, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AddNoteRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "dispute_id", "text")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    dispute_id: str
    text: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., dispute_id: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ListNotesRequest(_message.Message):
    __slots__ = ("dispute_id", "page")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    page: _common_pb2.PageRequest
    def __init__(self, dispute_id: _Optional[str] = ..., page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ...) -> None: ...

class ListNotesResponse(_message.Message):
    __slots__ = ("notes", "next_page_token")
    NOTES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    notes: _containers.RepeatedCompositeFieldContainer[DisputeNote]
    next_page_token: str
    def __init__(self, notes: _Optional[_Iterable[_Union[DisputeNote, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AddEvidenceRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "dispute_id", "evidence")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    dispute_id: str
    evidence: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., dispute_id: _Optional[str] = ..., evidence: _Optional[_Iterable[str]] = ...) -> None: ...

class DecideDisputeRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "dispute_id", "decision", "release_amount", "refund_amount", "note", "resolved_by", "resolved_by_name")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    RELEASE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUND_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_NAME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    dispute_id: str
    decision: _orders_pb2.DisputeDecision
    release_amount: _common_pb2.Money
    refund_amount: _common_pb2.Money
    note: str
    resolved_by: str
    resolved_by_name: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., dispute_id: _Optional[str] = ..., decision: _Optional[_Union[_orders_pb2.DisputeDecision, str]] = ..., release_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., refund_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., note: _Optional[str] = ..., resolved_by: _Optional[str] = ..., resolved_by_name: _Optional[str] = ...) -> None: ...

class WithdrawDecisionRequest(_message.Message):
    __slots__ = ("request_id", "dispute_id", "why")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    dispute_id: str
    why: str
    def __init__(self, request_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class AgeAnswersRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "seconds", "clock_offset_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    seconds: int
    clock_offset_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., seconds: _Optional[int] = ..., clock_offset_seconds: _Optional[int] = ...) -> None: ...

class AgeAnswersResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CompleteDisputeRequest(_message.Message):
    __slots__ = ("request_id", "dispute_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    dispute_id: str
    def __init__(self, request_id: _Optional[str] = ..., dispute_id: _Optional[str] = ...) -> None: ...
