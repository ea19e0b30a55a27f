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

class OfferState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OFFER_STATE_UNSPECIFIED: _ClassVar[OfferState]
    OFFER_STATE_OPEN: _ClassVar[OfferState]
    OFFER_STATE_ACCEPTED: _ClassVar[OfferState]
    OFFER_STATE_DECLINED: _ClassVar[OfferState]
    OFFER_STATE_LAPSED: _ClassVar[OfferState]
OFFER_STATE_UNSPECIFIED: OfferState
OFFER_STATE_OPEN: OfferState
OFFER_STATE_ACCEPTED: OfferState
OFFER_STATE_DECLINED: OfferState
OFFER_STATE_LAPSED: OfferState

class Offer(_message.Message):
    __slots__ = ("id", "order_id", "state", "offered_by", "refund_amount", "release_amount", "message", "created_at", "expires_at", "decided_at", "decided_by")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OFFERED_BY_FIELD_NUMBER: _ClassVar[int]
    REFUND_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RELEASE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    id: str
    order_id: str
    state: OfferState
    offered_by: _common_pb2.Party
    refund_amount: _common_pb2.Money
    release_amount: _common_pb2.Money
    message: str
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    decided_at: _timestamp_pb2.Timestamp
    decided_by: _common_pb2.Party
    def __init__(self, id: _Optional[str] = ..., order_id: _Optional[str] = ..., state: _Optional[_Union[OfferState, str]] = ..., offered_by: _Optional[_Union[_common_pb2.Party, str]] = ..., refund_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., release_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., message: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decided_by: _Optional[_Union[_common_pb2.Party, str]] = ...) -> None: ...

class MakeOfferRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "refund_amount", "message", "offered_by")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REFUND_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OFFERED_BY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    refund_amount: _common_pb2.Money
    message: str
    offered_by: _common_pb2.Party
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., refund_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., message: _Optional[str] = ..., offered_by: _Optional[_Union[_common_pb2.Party, str]] = ...) -> None: ...

class AcceptOfferRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "offer_id", "answered_by", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_BY_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    offer_id: str
    answered_by: _common_pb2.Party
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., offer_id: _Optional[str] = ..., answered_by: _Optional[_Union[_common_pb2.Party, str]] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class DeclineOfferRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "offer_id", "answered_by")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_BY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    offer_id: str
    answered_by: _common_pb2.Party
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., offer_id: _Optional[str] = ..., answered_by: _Optional[_Union[_common_pb2.Party, str]] = ...) -> None: ...

class GetOfferRequest(_message.Message):
    __slots__ = ("order_id", "offer_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    offer_id: str
    def __init__(self, order_id: _Optional[str] = ..., offer_id: _Optional[str] = ...) -> None: ...

class ListOffersRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class ListOffersResponse(_message.Message):
    __slots__ = ("offers",)
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    offers: _containers.RepeatedCompositeFieldContainer[Offer]
    def __init__(self, offers: _Optional[_Iterable[_Union[Offer, _Mapping]]] = ...) -> None: ...
