from orchestrator.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Party(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARTY_UNSPECIFIED: _ClassVar[Party]
    PARTY_BUYER: _ClassVar[Party]
    PARTY_SELLER: _ClassVar[Party]
    PARTY_SUPPORT: _ClassVar[Party]
    PARTY_SYSTEM: _ClassVar[Party]

class MemoType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMO_TYPE_UNSPECIFIED: _ClassVar[MemoType]
    MEMO_TYPE_TEXT: _ClassVar[MemoType]
    MEMO_TYPE_ID: _ClassVar[MemoType]
    MEMO_TYPE_HASH: _ClassVar[MemoType]
PARTY_UNSPECIFIED: Party
PARTY_BUYER: Party
PARTY_SELLER: Party
PARTY_SUPPORT: Party
PARTY_SYSTEM: Party
MEMO_TYPE_UNSPECIFIED: MemoType
MEMO_TYPE_TEXT: MemoType
MEMO_TYPE_ID: MemoType
MEMO_TYPE_HASH: MemoType

class Money(_message.Message):
    __slots__ = ("asset", "minor_units")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    MINOR_UNITS_FIELD_NUMBER: _ClassVar[int]
    asset: str
    minor_units: int
    def __init__(self, asset: _Optional[str] = ..., minor_units: _Optional[int] = ...) -> None: ...

class PageRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class UserRef(_message.Message):
    __slots__ = ("id", "public_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    public_id: str
    def __init__(self, id: _Optional[str] = ..., public_id: _Optional[str] = ...) -> None: ...

class Memo(_message.Message):
    __slots__ = ("type", "value")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type: MemoType
    value: str
    def __init__(self, type: _Optional[_Union[MemoType, str]] = ..., value: _Optional[str] = ...) -> None: ...
