from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class WebhookDisabledEvent(_message.Message):
    __slots__ = ("webhook_id", "url", "reason", "disabled_at")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DISABLED_AT_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    url: str
    reason: str
    disabled_at: str
    def __init__(self, webhook_id: _Optional[str] = ..., url: _Optional[str] = ..., reason: _Optional[str] = ..., disabled_at: _Optional[str] = ...) -> None: ...
