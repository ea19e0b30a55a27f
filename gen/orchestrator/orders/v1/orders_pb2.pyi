import datetime

from orchestrator.buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from orchestrator.common.v1 import common_pb2 as _common_pb2
from orchestrator.orders.v1 import offers_pb2 as _offers_pb2
from orchestrator.orders.v1 import withdrawals_pb2 as _withdrawals_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UserType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USER_TYPE_UNSPECIFIED: _ClassVar[UserType]
    USER_TYPE_BUYER: _ClassVar[UserType]
    USER_TYPE_SELLER: _ClassVar[UserType]
    USER_TYPE_BOTH: _ClassVar[UserType]

class OrderState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_STATE_UNSPECIFIED: _ClassVar[OrderState]
    ORDER_STATE_ORDER_CREATED: _ClassVar[OrderState]
    ORDER_STATE_FUNDS_RESERVED: _ClassVar[OrderState]
    ORDER_STATE_ESCROW_CREATING: _ClassVar[OrderState]
    ORDER_STATE_ESCROW_FUNDING: _ClassVar[OrderState]
    ORDER_STATE_ESCROW_FUNDED: _ClassVar[OrderState]
    ORDER_STATE_IN_PROGRESS: _ClassVar[OrderState]
    ORDER_STATE_RELEASE_REQUESTED: _ClassVar[OrderState]
    ORDER_STATE_RELEASED: _ClassVar[OrderState]
    ORDER_STATE_REFUND_REQUESTED: _ClassVar[OrderState]
    ORDER_STATE_REFUNDED: _ClassVar[OrderState]
    ORDER_STATE_DISPUTED: _ClassVar[OrderState]
    ORDER_STATE_CLOSED: _ClassVar[OrderState]

class OrderSort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_SORT_UNSPECIFIED: _ClassVar[OrderSort]
    ORDER_SORT_NEWEST: _ClassVar[OrderSort]
    ORDER_SORT_OLDEST: _ClassVar[OrderSort]
    ORDER_SORT_SMALLEST: _ClassVar[OrderSort]
    ORDER_SORT_LARGEST: _ClassVar[OrderSort]

class FinalStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINAL_STATUS_UNSPECIFIED: _ClassVar[FinalStatus]
    FINAL_STATUS_RELEASED: _ClassVar[FinalStatus]
    FINAL_STATUS_REFUNDED: _ClassVar[FinalStatus]
    FINAL_STATUS_CANCELED: _ClassVar[FinalStatus]

class Origin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORIGIN_UNSPECIFIED: _ClassVar[Origin]
    ORIGIN_MARKETPLACE: _ClassVar[Origin]
    ORIGIN_PARTY: _ClassVar[Origin]

class DisputeReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPUTE_REASON_UNSPECIFIED: _ClassVar[DisputeReason]
    DISPUTE_REASON_NOT_DELIVERED: _ClassVar[DisputeReason]
    DISPUTE_REASON_QUALITY_ISSUE: _ClassVar[DisputeReason]
    DISPUTE_REASON_OTHER: _ClassVar[DisputeReason]

class DisputeDecision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPUTE_DECISION_UNSPECIFIED: _ClassVar[DisputeDecision]
    DISPUTE_DECISION_FULL_RELEASE: _ClassVar[DisputeDecision]
    DISPUTE_DECISION_FULL_REFUND: _ClassVar[DisputeDecision]
    DISPUTE_DECISION_SPLIT: _ClassVar[DisputeDecision]
USER_TYPE_UNSPECIFIED: UserType
USER_TYPE_BUYER: UserType
USER_TYPE_SELLER: UserType
USER_TYPE_BOTH: UserType
ORDER_STATE_UNSPECIFIED: OrderState
ORDER_STATE_ORDER_CREATED: OrderState
ORDER_STATE_FUNDS_RESERVED: OrderState
ORDER_STATE_ESCROW_CREATING: OrderState
ORDER_STATE_ESCROW_FUNDING: OrderState
ORDER_STATE_ESCROW_FUNDED: OrderState
ORDER_STATE_IN_PROGRESS: OrderState
ORDER_STATE_RELEASE_REQUESTED: OrderState
ORDER_STATE_RELEASED: OrderState
ORDER_STATE_REFUND_REQUESTED: OrderState
ORDER_STATE_REFUNDED: OrderState
ORDER_STATE_DISPUTED: OrderState
ORDER_STATE_CLOSED: OrderState
ORDER_SORT_UNSPECIFIED: OrderSort
ORDER_SORT_NEWEST: OrderSort
ORDER_SORT_OLDEST: OrderSort
ORDER_SORT_SMALLEST: OrderSort
ORDER_SORT_LARGEST: OrderSort
FINAL_STATUS_UNSPECIFIED: FinalStatus
FINAL_STATUS_RELEASED: FinalStatus
FINAL_STATUS_REFUNDED: FinalStatus
FINAL_STATUS_CANCELED: FinalStatus
ORIGIN_UNSPECIFIED: Origin
ORIGIN_MARKETPLACE: Origin
ORIGIN_PARTY: Origin
DISPUTE_REASON_UNSPECIFIED: DisputeReason
DISPUTE_REASON_NOT_DELIVERED: DisputeReason
DISPUTE_REASON_QUALITY_ISSUE: DisputeReason
DISPUTE_REASON_OTHER: DisputeReason
DISPUTE_DECISION_UNSPECIFIED: DisputeDecision
DISPUTE_DECISION_FULL_RELEASE: DisputeDecision
DISPUTE_DECISION_FULL_REFUND: DisputeDecision
DISPUTE_DECISION_SPLIT: DisputeDecision

class User(_message.Message):
    __slots__ = ("id", "public_id", "external_user_id", "email", "type", "created_at", "wallet_address")
    ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_USER_ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    WALLET_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    id: str
    public_id: str
    external_user_id: str
    email: str
    type: UserType
    created_at: _timestamp_pb2.Timestamp
    wallet_address: str
    def __init__(self, id: _Optional[str] = ..., public_id: _Optional[str] = ..., external_user_id: _Optional[str] = ..., email: _Optional[str] = ..., type: _Optional[_Union[UserType, str]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., wallet_address: _Optional[str] = ...) -> None: ...

class Milestone(_message.Message):
    __slots__ = ("ref", "title", "amount", "description", "completed_at")
    REF_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    ref: str
    title: str
    amount: _common_pb2.Money
    description: str
    completed_at: _timestamp_pb2.Timestamp
    def __init__(self, ref: _Optional[str] = ..., title: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., description: _Optional[str] = ..., completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class OrderEscrow(_message.Message):
    __slots__ = ("id", "contract_id", "status", "funded_at", "last_error")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FUNDED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    contract_id: str
    status: str
    funded_at: _timestamp_pb2.Timestamp
    last_error: str
    def __init__(self, id: _Optional[str] = ..., contract_id: _Optional[str] = ..., status: _Optional[str] = ..., funded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_error: _Optional[str] = ...) -> None: ...

class OrderDispute(_message.Message):
    __slots__ = ("id", "status", "opened_by", "reason", "decision", "opened_at", "resolved_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    RESOLVED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    status: str
    opened_by: _common_pb2.Party
    reason: DisputeReason
    decision: DisputeDecision
    opened_at: _timestamp_pb2.Timestamp
    resolved_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., status: _Optional[str] = ..., opened_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[_Union[DisputeReason, str]] = ..., decision: _Optional[_Union[DisputeDecision, str]] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resolved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("notes", "url", "delivered_at")
    NOTES_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_AT_FIELD_NUMBER: _ClassVar[int]
    notes: str
    url: str
    delivered_at: _timestamp_pb2.Timestamp
    def __init__(self, notes: _Optional[str] = ..., url: _Optional[str] = ..., delivered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ("id", "kind", "state", "step", "attempts", "started_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    state: str
    step: str
    attempts: int
    started_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[str] = ..., step: _Optional[str] = ..., attempts: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("id", "marketplace_id", "buyer", "seller", "amount", "title", "description", "state", "final_status", "origin", "client_order_ref", "milestones", "metadata_json", "escrow", "dispute", "delivery", "operation", "version", "platform_fee_bps", "platform_fee", "created_at", "updated_at", "reserved_at", "funded_at", "confirmed_at", "released_at", "refunded_at", "closed_at", "released_amount", "refunded_amount", "intention_id", "contract_template_id", "contract_id", "contract_terms_json", "currency", "released_share", "charged_fee")
    ID_FIELD_NUMBER: _ClassVar[int]
    MARKETPLACE_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_FIELD_NUMBER: _ClassVar[int]
    SELLER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FINAL_STATUS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_REF_FIELD_NUMBER: _ClassVar[int]
    MILESTONES_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    ESCROW_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FEE_BPS_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FEE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    RESERVED_AT_FIELD_NUMBER: _ClassVar[int]
    FUNDED_AT_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_AT_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AT_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    INTENTION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_TERMS_JSON_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RELEASED_SHARE_FIELD_NUMBER: _ClassVar[int]
    CHARGED_FEE_FIELD_NUMBER: _ClassVar[int]
    id: str
    marketplace_id: str
    buyer: _common_pb2.UserRef
    seller: _common_pb2.UserRef
    amount: _common_pb2.Money
    title: str
    description: str
    state: OrderState
    final_status: FinalStatus
    origin: Origin
    client_order_ref: str
    milestones: _containers.RepeatedCompositeFieldContainer[Milestone]
    metadata_json: str
    escrow: OrderEscrow
    dispute: OrderDispute
    delivery: Delivery
    operation: Operation
    version: int
    platform_fee_bps: int
    platform_fee: _common_pb2.Money
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    reserved_at: _timestamp_pb2.Timestamp
    funded_at: _timestamp_pb2.Timestamp
    confirmed_at: _timestamp_pb2.Timestamp
    released_at: _timestamp_pb2.Timestamp
    refunded_at: _timestamp_pb2.Timestamp
    closed_at: _timestamp_pb2.Timestamp
    released_amount: _common_pb2.Money
    refunded_amount: _common_pb2.Money
    intention_id: str
    contract_template_id: str
    contract_id: str
    contract_terms_json: str
    currency: str
    released_share: _common_pb2.Money
    charged_fee: _common_pb2.Money
    def __init__(self, id: _Optional[str] = ..., marketplace_id: _Optional[str] = ..., buyer: _Optional[_Union[_common_pb2.UserRef, _Mapping]] = ..., seller: _Optional[_Union[_common_pb2.UserRef, _Mapping]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., state: _Optional[_Union[OrderState, str]] = ..., final_status: _Optional[_Union[FinalStatus, str]] = ..., origin: _Optional[_Union[Origin, str]] = ..., client_order_ref: _Optional[str] = ..., milestones: _Optional[_Iterable[_Union[Milestone, _Mapping]]] = ..., metadata_json: _Optional[str] = ..., escrow: _Optional[_Union[OrderEscrow, _Mapping]] = ..., dispute: _Optional[_Union[OrderDispute, _Mapping]] = ..., delivery: _Optional[_Union[Delivery, _Mapping]] = ..., operation: _Optional[_Union[Operation, _Mapping]] = ..., version: _Optional[int] = ..., platform_fee_bps: _Optional[int] = ..., platform_fee: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reserved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., funded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., confirmed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., released_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., refunded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., closed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., released_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., refunded_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., intention_id: _Optional[str] = ..., contract_template_id: _Optional[str] = ..., contract_id: _Optional[str] = ..., contract_terms_json: _Optional[str] = ..., currency: _Optional[str] = ..., released_share: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., charged_fee: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class RegisterUserRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "external_user_id", "public_id", "email", "type", "user_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_USER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    external_user_id: str
    public_id: str
    email: str
    type: UserType
    user_id: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., external_user_id: _Optional[str] = ..., public_id: _Optional[str] = ..., email: _Optional[str] = ..., type: _Optional[_Union[UserType, str]] = ..., user_id: _Optional[str] = ...) -> None: ...

class GetUserRequest(_message.Message):
    __slots__ = ("user",)
    USER_FIELD_NUMBER: _ClassVar[int]
    user: str
    def __init__(self, user: _Optional[str] = ...) -> None: ...

class ListUsersRequest(_message.Message):
    __slots__ = ("page", "external_user_id", "email")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_USER_ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    page: _common_pb2.PageRequest
    external_user_id: str
    email: str
    def __init__(self, page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ..., external_user_id: _Optional[str] = ..., email: _Optional[str] = ...) -> None: ...

class ListUsersResponse(_message.Message):
    __slots__ = ("users", "next_page_token")
    USERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[User]
    next_page_token: str
    def __init__(self, users: _Optional[_Iterable[_Union[User, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateOrderRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "buyer", "seller", "amount", "title", "description", "currency", "client_order_ref", "milestones", "metadata_json", "origin", "intention_id", "contract_template_id", "contract_id", "contract_terms_json")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    BUYER_FIELD_NUMBER: _ClassVar[int]
    SELLER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_REF_FIELD_NUMBER: _ClassVar[int]
    MILESTONES_FIELD_NUMBER: _ClassVar[int]
    METADATA_JSON_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    INTENTION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_TERMS_JSON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    buyer: str
    seller: str
    amount: _common_pb2.Money
    title: str
    description: str
    currency: str
    client_order_ref: str
    milestones: _containers.RepeatedCompositeFieldContainer[Milestone]
    metadata_json: str
    origin: Origin
    intention_id: str
    contract_template_id: str
    contract_id: str
    contract_terms_json: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., buyer: _Optional[str] = ..., seller: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., title: _Optional[str] = ..., description: _Optional[str] = ..., currency: _Optional[str] = ..., client_order_ref: _Optional[str] = ..., milestones: _Optional[_Iterable[_Union[Milestone, _Mapping]]] = ..., metadata_json: _Optional[str] = ..., origin: _Optional[_Union[Origin, str]] = ..., intention_id: _Optional[str] = ..., contract_template_id: _Optional[str] = ..., contract_id: _Optional[str] = ..., contract_terms_json: _Optional[str] = ...) -> None: ...

class GetOrderRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class GetOrdersRequest(_message.Message):
    __slots__ = ("order_ids",)
    ORDER_IDS_FIELD_NUMBER: _ClassVar[int]
    order_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, order_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetOrdersResponse(_message.Message):
    __slots__ = ("orders",)
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    def __init__(self, orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ...) -> None: ...

class ListOrdersRequest(_message.Message):
    __slots__ = ("page", "state", "buyer", "seller", "client_order_ref", "created_from", "created_to", "amount", "amount_from", "amount_to", "text", "sort")
    PAGE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BUYER_FIELD_NUMBER: _ClassVar[int]
    SELLER_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_REF_FIELD_NUMBER: _ClassVar[int]
    CREATED_FROM_FIELD_NUMBER: _ClassVar[int]
    CREATED_TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FROM_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_TO_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    page: _common_pb2.PageRequest
    state: OrderState
    buyer: str
    seller: str
    client_order_ref: str
    created_from: _timestamp_pb2.Timestamp
    created_to: _timestamp_pb2.Timestamp
    amount: _common_pb2.Money
    amount_from: _common_pb2.Money
    amount_to: _common_pb2.Money
    text: str
    sort: OrderSort
    def __init__(self, page: _Optional[_Union[_common_pb2.PageRequest, _Mapping]] = ..., state: _Optional[_Union[OrderState, str]] = ..., buyer: _Optional[str] = ..., seller: _Optional[str] = ..., client_order_ref: _Optional[str] = ..., created_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_to: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., amount_from: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., amount_to: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., text: _Optional[str] = ..., sort: _Optional[_Union[OrderSort, str]] = ...) -> None: ...

class ListOrdersResponse(_message.Message):
    __slots__ = ("orders", "next_page_token")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    next_page_token: str
    def __init__(self, orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListPartyOrdersRequest(_message.Message):
    __slots__ = ("user_id", "role", "status", "offset", "limit")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    role: _common_pb2.Party
    status: str
    offset: int
    limit: int
    def __init__(self, user_id: _Optional[str] = ..., role: _Optional[_Union[_common_pb2.Party, str]] = ..., status: _Optional[str] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ListPartyOrdersResponse(_message.Message):
    __slots__ = ("orders", "total")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    total: int
    def __init__(self, orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., total: _Optional[int] = ...) -> None: ...

class GetTimelineRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class TimelineEntry(_message.Message):
    __slots__ = ("at", "kind", "name", "details_json")
    AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DETAILS_JSON_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    kind: str
    name: str
    details_json: str
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., details_json: _Optional[str] = ...) -> None: ...

class Timeline(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[TimelineEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[TimelineEntry, _Mapping]]] = ...) -> None: ...

class GetReceiptRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("id", "order_id", "buyer", "seller", "amount", "platform_fee", "provider_fee", "seller_income", "platform_fee_bps", "personal_signal", "delta_score_tenths", "response_time_ms", "contract_id", "created_at", "currency", "released_share")
    ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_FIELD_NUMBER: _ClassVar[int]
    SELLER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FEE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FEE_FIELD_NUMBER: _ClassVar[int]
    SELLER_INCOME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FEE_BPS_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_SIGNAL_FIELD_NUMBER: _ClassVar[int]
    DELTA_SCORE_TENTHS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RELEASED_SHARE_FIELD_NUMBER: _ClassVar[int]
    id: str
    order_id: str
    buyer: _common_pb2.UserRef
    seller: _common_pb2.UserRef
    amount: _common_pb2.Money
    platform_fee: _common_pb2.Money
    provider_fee: _common_pb2.Money
    seller_income: _common_pb2.Money
    platform_fee_bps: int
    personal_signal: str
    delta_score_tenths: int
    response_time_ms: int
    contract_id: str
    created_at: _timestamp_pb2.Timestamp
    currency: str
    released_share: _common_pb2.Money
    def __init__(self, id: _Optional[str] = ..., order_id: _Optional[str] = ..., buyer: _Optional[_Union[_common_pb2.UserRef, _Mapping]] = ..., seller: _Optional[_Union[_common_pb2.UserRef, _Mapping]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., platform_fee: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., provider_fee: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., seller_income: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., platform_fee_bps: _Optional[int] = ..., personal_signal: _Optional[str] = ..., delta_score_tenths: _Optional[int] = ..., response_time_ms: _Optional[int] = ..., contract_id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., released_share: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class ReserveFundsRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "amount", "wait_seconds", "requested_by", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    amount: _common_pb2.Money
    wait_seconds: int
    requested_by: _common_pb2.Party
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., wait_seconds: _Optional[int] = ..., requested_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class CreateEscrowRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "wait_seconds", "amount", "requested_by", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    wait_seconds: int
    amount: _common_pb2.Money
    requested_by: _common_pb2.Party
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., requested_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class FundEscrowRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "wait_seconds", "amount", "requested_by", "reason")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    wait_seconds: int
    amount: _common_pb2.Money
    requested_by: _common_pb2.Party
    reason: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., requested_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class ReleaseFundsRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "requested_by", "wait_seconds", "delta_score_tenths", "amount", "reason", "force")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DELTA_SCORE_TENTHS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    requested_by: _common_pb2.Party
    wait_seconds: int
    delta_score_tenths: int
    amount: _common_pb2.Money
    reason: str
    force: bool
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., requested_by: _Optional[_Union[_common_pb2.Party, str]] = ..., wait_seconds: _Optional[int] = ..., delta_score_tenths: _Optional[int] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reason: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class CompleteMilestoneRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "ref", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    ref: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., ref: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class CancelOrderRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "canceled_by", "reason", "wait_seconds", "amount")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CANCELED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    canceled_by: _common_pb2.Party
    reason: str
    wait_seconds: int
    amount: _common_pb2.Money
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., canceled_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[str] = ..., wait_seconds: _Optional[int] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class RefundOrderRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "requested_by", "reason", "wait_seconds", "amount")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    requested_by: _common_pb2.Party
    reason: str
    wait_seconds: int
    amount: _common_pb2.Money
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., requested_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[str] = ..., wait_seconds: _Optional[int] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class OpenDisputeRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "opened_by", "reason", "description", "evidence", "amount")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    opened_by: _common_pb2.Party
    reason: DisputeReason
    description: str
    evidence: _containers.RepeatedScalarFieldContainer[str]
    amount: _common_pb2.Money
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., opened_by: _Optional[_Union[_common_pb2.Party, str]] = ..., reason: _Optional[_Union[DisputeReason, str]] = ..., description: _Optional[str] = ..., evidence: _Optional[_Iterable[str]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class ResolveDisputeRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "dispute_id", "decision", "release_amount", "refund_amount", "note", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    RELEASE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUND_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    dispute_id: str
    decision: DisputeDecision
    release_amount: _common_pb2.Money
    refund_amount: _common_pb2.Money
    note: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., dispute_id: _Optional[str] = ..., decision: _Optional[_Union[DisputeDecision, str]] = ..., release_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., refund_amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., note: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class DeliverOrderRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "notes", "url")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    notes: str
    url: str
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., notes: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class ConfirmOrderRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class GetReconciliationRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AccountDiffers(_message.Message):
    __slots__ = ("account", "ledger", "chain", "since")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    account: str
    ledger: int
    chain: int
    since: _timestamp_pb2.Timestamp
    def __init__(self, account: _Optional[str] = ..., ledger: _Optional[int] = ..., chain: _Optional[int] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Reconciliation(_message.Message):
    __slots__ = ("looked_at", "round_finished_at", "round_accounts", "differing", "differences", "slow", "oldest_event_at")
    LOOKED_AT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    ROUND_ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    DIFFERING_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    SLOW_FIELD_NUMBER: _ClassVar[int]
    OLDEST_EVENT_AT_FIELD_NUMBER: _ClassVar[int]
    looked_at: _timestamp_pb2.Timestamp
    round_finished_at: _timestamp_pb2.Timestamp
    round_accounts: int
    differing: int
    differences: _containers.RepeatedCompositeFieldContainer[AccountDiffers]
    slow: _containers.RepeatedCompositeFieldContainer[SlowOperation]
    oldest_event_at: _timestamp_pb2.Timestamp
    def __init__(self, looked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., round_finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., round_accounts: _Optional[int] = ..., differing: _Optional[int] = ..., differences: _Optional[_Iterable[_Union[AccountDiffers, _Mapping]]] = ..., slow: _Optional[_Iterable[_Union[SlowOperation, _Mapping]]] = ..., oldest_event_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SlowOperation(_message.Message):
    __slots__ = ("order_id", "kind", "since")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    kind: str
    since: _timestamp_pb2.Timestamp
    def __init__(self, order_id: _Optional[str] = ..., kind: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GiveBackHoldRequest(_message.Message):
    __slots__ = ("order_id", "reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    reason: str
    def __init__(self, order_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class PayOrderRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "order_id", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    order_id: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., order_id: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class CreditUserRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "user", "amount", "reference", "description", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    user: str
    amount: _common_pb2.Money
    reference: str
    description: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., user: _Optional[str] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reference: _Optional[str] = ..., description: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class Credit(_message.Message):
    __slots__ = ("id", "user", "amount", "reference", "description", "state", "transaction_hash", "created_at", "finished_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISHED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: _common_pb2.UserRef
    amount: _common_pb2.Money
    reference: str
    description: str
    state: str
    transaction_hash: str
    created_at: _timestamp_pb2.Timestamp
    finished_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., user: _Optional[_Union[_common_pb2.UserRef, _Mapping]] = ..., amount: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reference: _Optional[str] = ..., description: _Optional[str] = ..., state: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finished_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetPreviewRequest(_message.Message):
    __slots__ = ("reserve_funds", "create_escrow", "fund_escrow", "complete_milestone", "release_funds", "cancel_order", "refund_order", "open_dispute", "resolve_dispute", "deliver_order", "confirm_order", "pay_order", "accept_offer", "create_withdrawal", "commit_withdrawal", "cancel_withdrawal", "approve_withdrawal", "credit_user")
    RESERVE_FUNDS_FIELD_NUMBER: _ClassVar[int]
    CREATE_ESCROW_FIELD_NUMBER: _ClassVar[int]
    FUND_ESCROW_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_MILESTONE_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FUNDS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ORDER_FIELD_NUMBER: _ClassVar[int]
    REFUND_ORDER_FIELD_NUMBER: _ClassVar[int]
    OPEN_DISPUTE_FIELD_NUMBER: _ClassVar[int]
    RESOLVE_DISPUTE_FIELD_NUMBER: _ClassVar[int]
    DELIVER_ORDER_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_ORDER_FIELD_NUMBER: _ClassVar[int]
    PAY_ORDER_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_OFFER_FIELD_NUMBER: _ClassVar[int]
    CREATE_WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    COMMIT_WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    CANCEL_WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    APPROVE_WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    CREDIT_USER_FIELD_NUMBER: _ClassVar[int]
    reserve_funds: ReserveFundsRequest
    create_escrow: CreateEscrowRequest
    fund_escrow: FundEscrowRequest
    complete_milestone: CompleteMilestoneRequest
    release_funds: ReleaseFundsRequest
    cancel_order: CancelOrderRequest
    refund_order: RefundOrderRequest
    open_dispute: OpenDisputeRequest
    resolve_dispute: ResolveDisputeRequest
    deliver_order: DeliverOrderRequest
    confirm_order: ConfirmOrderRequest
    pay_order: PayOrderRequest
    accept_offer: _offers_pb2.AcceptOfferRequest
    create_withdrawal: _withdrawals_pb2.CreateWithdrawalRequest
    commit_withdrawal: _withdrawals_pb2.CommitWithdrawalRequest
    cancel_withdrawal: _withdrawals_pb2.CancelWithdrawalRequest
    approve_withdrawal: _withdrawals_pb2.ApproveWithdrawalRequest
    credit_user: CreditUserRequest
    def __init__(self, reserve_funds: _Optional[_Union[ReserveFundsRequest, _Mapping]] = ..., create_escrow: _Optional[_Union[CreateEscrowRequest, _Mapping]] = ..., fund_escrow: _Optional[_Union[FundEscrowRequest, _Mapping]] = ..., complete_milestone: _Optional[_Union[CompleteMilestoneRequest, _Mapping]] = ..., release_funds: _Optional[_Union[ReleaseFundsRequest, _Mapping]] = ..., cancel_order: _Optional[_Union[CancelOrderRequest, _Mapping]] = ..., refund_order: _Optional[_Union[RefundOrderRequest, _Mapping]] = ..., open_dispute: _Optional[_Union[OpenDisputeRequest, _Mapping]] = ..., resolve_dispute: _Optional[_Union[ResolveDisputeRequest, _Mapping]] = ..., deliver_order: _Optional[_Union[DeliverOrderRequest, _Mapping]] = ..., confirm_order: _Optional[_Union[ConfirmOrderRequest, _Mapping]] = ..., pay_order: _Optional[_Union[PayOrderRequest, _Mapping]] = ..., accept_offer: _Optional[_Union[_offers_pb2.AcceptOfferRequest, _Mapping]] = ..., create_withdrawal: _Optional[_Union[_withdrawals_pb2.CreateWithdrawalRequest, _Mapping]] = ..., commit_withdrawal: _Optional[_Union[_withdrawals_pb2.CommitWithdrawalRequest, _Mapping]] = ..., cancel_withdrawal: _Optional[_Union[_withdrawals_pb2.CancelWithdrawalRequest, _Mapping]] = ..., approve_withdrawal: _Optional[_Union[_withdrawals_pb2.ApproveWithdrawalRequest, _Mapping]] = ..., credit_user: _Optional[_Union[CreditUserRequest, _Mapping]] = ...) -> None: ...

class PreviewBalance(_message.Message):
    __slots__ = ("available", "reserved")
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    available: _common_pb2.Money
    reserved: _common_pb2.Money
    def __init__(self, available: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reserved: _Optional[_Union[_common_pb2.Money, _Mapping]] = ...) -> None: ...

class BalanceChange(_message.Message):
    __slots__ = ("user", "side", "before", "after")
    USER_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    user: _common_pb2.UserRef
    side: _common_pb2.Party
    before: PreviewBalance
    after: PreviewBalance
    def __init__(self, user: _Optional[_Union[_common_pb2.UserRef, _Mapping]] = ..., side: _Optional[_Union[_common_pb2.Party, str]] = ..., before: _Optional[_Union[PreviewBalance, _Mapping]] = ..., after: _Optional[_Union[PreviewBalance, _Mapping]] = ...) -> None: ...

class Preview(_message.Message):
    __slots__ = ("order", "withdrawal", "credit", "balances", "platform_fee", "provider_fee", "reimbursed", "chain_steps")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWAL_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FEE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FEE_FIELD_NUMBER: _ClassVar[int]
    REIMBURSED_FIELD_NUMBER: _ClassVar[int]
    CHAIN_STEPS_FIELD_NUMBER: _ClassVar[int]
    order: Order
    withdrawal: _withdrawals_pb2.Withdrawal
    credit: Credit
    balances: _containers.RepeatedCompositeFieldContainer[BalanceChange]
    platform_fee: _common_pb2.Money
    provider_fee: _common_pb2.Money
    reimbursed: _common_pb2.Money
    chain_steps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, order: _Optional[_Union[Order, _Mapping]] = ..., withdrawal: _Optional[_Union[_withdrawals_pb2.Withdrawal, _Mapping]] = ..., credit: _Optional[_Union[Credit, _Mapping]] = ..., balances: _Optional[_Iterable[_Union[BalanceChange, _Mapping]]] = ..., platform_fee: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., provider_fee: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., reimbursed: _Optional[_Union[_common_pb2.Money, _Mapping]] = ..., chain_steps: _Optional[_Iterable[str]] = ...) -> None: ...

class GetMarketplaceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AdvanceClockRequest(_message.Message):
    __slots__ = ("request_id", "fingerprint", "seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    fingerprint: bytes
    seconds: int
    def __init__(self, request_id: _Optional[str] = ..., fingerprint: _Optional[bytes] = ..., seconds: _Optional[int] = ...) -> None: ...

class Deadline(_message.Message):
    __slots__ = ("name", "state", "delivered", "days", "action")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    state: OrderState
    delivered: bool
    days: int
    action: str
    def __init__(self, name: _Optional[str] = ..., state: _Optional[_Union[OrderState, str]] = ..., delivered: _Optional[bool] = ..., days: _Optional[int] = ..., action: _Optional[str] = ...) -> None: ...

class Marketplace(_message.Message):
    __slots__ = ("allows_manual_credit", "platform_fee_bps", "party_platform_fee_bps", "deadlines", "warning_hours", "time", "clock_offset_seconds", "withdrawals", "dispute_answer_hours", "dispute_decision_hours", "payout_redirects")
    ALLOWS_MANUAL_CREDIT_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FEE_BPS_FIELD_NUMBER: _ClassVar[int]
    PARTY_PLATFORM_FEE_BPS_FIELD_NUMBER: _ClassVar[int]
    DEADLINES_FIELD_NUMBER: _ClassVar[int]
    WARNING_HOURS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CLOCK_OFFSET_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWALS_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ANSWER_HOURS_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_DECISION_HOURS_FIELD_NUMBER: _ClassVar[int]
    PAYOUT_REDIRECTS_FIELD_NUMBER: _ClassVar[int]
    allows_manual_credit: bool
    platform_fee_bps: int
    party_platform_fee_bps: int
    deadlines: _containers.RepeatedCompositeFieldContainer[Deadline]
    warning_hours: int
    time: _timestamp_pb2.Timestamp
    clock_offset_seconds: int
    withdrawals: _withdrawals_pb2.WithdrawalRules
    dispute_answer_hours: int
    dispute_decision_hours: int
    payout_redirects: str
    def __init__(self, allows_manual_credit: _Optional[bool] = ..., platform_fee_bps: _Optional[int] = ..., party_platform_fee_bps: _Optional[int] = ..., deadlines: _Optional[_Iterable[_Union[Deadline, _Mapping]]] = ..., warning_hours: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., clock_offset_seconds: _Optional[int] = ..., withdrawals: _Optional[_Union[_withdrawals_pb2.WithdrawalRules, _Mapping]] = ..., dispute_answer_hours: _Optional[int] = ..., dispute_decision_hours: _Optional[int] = ..., payout_redirects: _Optional[str] = ...) -> None: ...
