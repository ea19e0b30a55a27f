from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class DisputeOpenedEvent(_message.Message):
    __slots__ = ("dispute_id", "order_id", "opened_by", "reason")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    order_id: str
    opened_by: str
    reason: str
    def __init__(self, dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ..., opened_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DisputeUnderReviewEvent(_message.Message):
    __slots__ = ("dispute_id", "order_id", "reviewed_by")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REVIEWED_BY_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    order_id: str
    reviewed_by: str
    def __init__(self, dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ..., reviewed_by: _Optional[str] = ...) -> None: ...

class DisputeUnassignedEvent(_message.Message):
    __slots__ = ("dispute_id", "order_id")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    order_id: str
    def __init__(self, dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class DisputeMessageAddedEvent(_message.Message):
    __slots__ = ("dispute_id", "order_id", "message_id", "written_by")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_BY_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    order_id: str
    message_id: str
    written_by: str
    def __init__(self, dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ..., message_id: _Optional[str] = ..., written_by: _Optional[str] = ...) -> None: ...

class DisputeEvidenceAddedEvent(_message.Message):
    __slots__ = ("dispute_id", "order_id", "evidence_count")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    order_id: str
    evidence_count: int
    def __init__(self, dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ..., evidence_count: _Optional[int] = ...) -> None: ...

class DisputeOverdueEvent(_message.Message):
    __slots__ = ("dispute_id", "order_id", "waits_for", "due_at", "assigned_to")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAITS_FOR_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_TO_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    order_id: str
    waits_for: str
    due_at: str
    assigned_to: str
    def __init__(self, dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ..., waits_for: _Optional[str] = ..., due_at: _Optional[str] = ..., assigned_to: _Optional[str] = ...) -> None: ...

class DisputeResolvedEvent(_message.Message):
    __slots__ = ("dispute_id", "order_id", "decision", "resolved_by", "resolved_at")
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_BY_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_AT_FIELD_NUMBER: _ClassVar[int]
    dispute_id: str
    order_id: str
    decision: str
    resolved_by: str
    resolved_at: str
    def __init__(self, dispute_id: _Optional[str] = ..., order_id: _Optional[str] = ..., decision: _Optional[str] = ..., resolved_by: _Optional[str] = ..., resolved_at: _Optional[str] = ...) -> None: ...
