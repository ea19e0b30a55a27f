from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class OrderCreatedEvent(_message.Message):
    __slots__ = ("order_id", "buyer_id", "seller_id", "amount", "title")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    SELLER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    buyer_id: str
    seller_id: str
    amount: str
    title: str
    def __init__(self, order_id: _Optional[str] = ..., buyer_id: _Optional[str] = ..., seller_id: _Optional[str] = ..., amount: _Optional[str] = ..., title: _Optional[str] = ...) -> None: ...

class OrderFundsReservedEvent(_message.Message):
    __slots__ = ("order_id", "amount", "buyer_id", "reserved_balance")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVED_BALANCE_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    amount: str
    buyer_id: str
    reserved_balance: str
    def __init__(self, order_id: _Optional[str] = ..., amount: _Optional[str] = ..., buyer_id: _Optional[str] = ..., reserved_balance: _Optional[str] = ...) -> None: ...

class OrderEscrowCreatingEvent(_message.Message):
    __slots__ = ("order_id", "escrow_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    escrow_id: str
    def __init__(self, order_id: _Optional[str] = ..., escrow_id: _Optional[str] = ...) -> None: ...

class OrderEscrowFundingEvent(_message.Message):
    __slots__ = ("order_id", "escrow_id", "trustless_contract_id")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    TRUSTLESS_CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    escrow_id: str
    trustless_contract_id: str
    def __init__(self, order_id: _Optional[str] = ..., escrow_id: _Optional[str] = ..., trustless_contract_id: _Optional[str] = ...) -> None: ...

class OrderEscrowFundedEvent(_message.Message):
    __slots__ = ("order_id", "escrow_id", "funded_at")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    FUNDED_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    escrow_id: str
    funded_at: str
    def __init__(self, order_id: _Optional[str] = ..., escrow_id: _Optional[str] = ..., funded_at: _Optional[str] = ...) -> None: ...

class OrderInProgressEvent(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class OrderMilestoneCompletedEvent(_message.Message):
    __slots__ = ("order_id", "ref", "completed_at")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REF_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    ref: str
    completed_at: str
    def __init__(self, order_id: _Optional[str] = ..., ref: _Optional[str] = ..., completed_at: _Optional[str] = ...) -> None: ...

class OrderDeliveredEvent(_message.Message):
    __slots__ = ("order_id", "delivered_at")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    delivered_at: str
    def __init__(self, order_id: _Optional[str] = ..., delivered_at: _Optional[str] = ...) -> None: ...

class OrderReleaseRequestedEvent(_message.Message):
    __slots__ = ("order_id", "requested_by")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    requested_by: str
    def __init__(self, order_id: _Optional[str] = ..., requested_by: _Optional[str] = ...) -> None: ...

class OrderReleasedEvent(_message.Message):
    __slots__ = ("order_id", "seller_id", "amount", "released_at")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SELLER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    seller_id: str
    amount: str
    released_at: str
    def __init__(self, order_id: _Optional[str] = ..., seller_id: _Optional[str] = ..., amount: _Optional[str] = ..., released_at: _Optional[str] = ...) -> None: ...

class OrderRefundRequestedEvent(_message.Message):
    __slots__ = ("order_id", "requested_by")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    requested_by: str
    def __init__(self, order_id: _Optional[str] = ..., requested_by: _Optional[str] = ...) -> None: ...

class OrderRefundedEvent(_message.Message):
    __slots__ = ("order_id", "buyer_id", "amount", "refunded_at")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    BUYER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    buyer_id: str
    amount: str
    refunded_at: str
    def __init__(self, order_id: _Optional[str] = ..., buyer_id: _Optional[str] = ..., amount: _Optional[str] = ..., refunded_at: _Optional[str] = ...) -> None: ...

class OrderDisputedEvent(_message.Message):
    __slots__ = ("order_id", "dispute_id", "opened_by", "reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    DISPUTE_ID_FIELD_NUMBER: _ClassVar[int]
    OPENED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    dispute_id: str
    opened_by: str
    reason: str
    def __init__(self, order_id: _Optional[str] = ..., dispute_id: _Optional[str] = ..., opened_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class OrderCanceledEvent(_message.Message):
    __slots__ = ("order_id", "canceled_by", "reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CANCELED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    canceled_by: str
    reason: str
    def __init__(self, order_id: _Optional[str] = ..., canceled_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class OrderClosedEvent(_message.Message):
    __slots__ = ("order_id", "final_status", "closed_at")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    FINAL_STATUS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    final_status: str
    closed_at: str
    def __init__(self, order_id: _Optional[str] = ..., final_status: _Optional[str] = ..., closed_at: _Optional[str] = ...) -> None: ...

class OrderEscrowFailedEvent(_message.Message):
    __slots__ = ("order_id", "escrow_id", "reason")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    escrow_id: str
    reason: str
    def __init__(self, order_id: _Optional[str] = ..., escrow_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class OrderDeadlineWarningEvent(_message.Message):
    __slots__ = ("order_id", "deadline", "action", "due_at")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    deadline: str
    action: str
    due_at: str
    def __init__(self, order_id: _Optional[str] = ..., deadline: _Optional[str] = ..., action: _Optional[str] = ..., due_at: _Optional[str] = ...) -> None: ...

class OrderDeadlinePassedEvent(_message.Message):
    __slots__ = ("order_id", "deadline", "action")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    deadline: str
    action: str
    def __init__(self, order_id: _Optional[str] = ..., deadline: _Optional[str] = ..., action: _Optional[str] = ...) -> None: ...

class UserCreatedEvent(_message.Message):
    __slots__ = ("user_id", "external_user_id", "type")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_USER_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    external_user_id: str
    type: str
    def __init__(self, user_id: _Optional[str] = ..., external_user_id: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class OfferCreatedEvent(_message.Message):
    __slots__ = ("offer_id", "order_id", "offered_by", "refund_amount", "release_amount", "expires_at")
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    OFFERED_BY_FIELD_NUMBER: _ClassVar[int]
    REFUND_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RELEASE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    offer_id: str
    order_id: str
    offered_by: str
    refund_amount: str
    release_amount: str
    expires_at: str
    def __init__(self, offer_id: _Optional[str] = ..., order_id: _Optional[str] = ..., offered_by: _Optional[str] = ..., refund_amount: _Optional[str] = ..., release_amount: _Optional[str] = ..., expires_at: _Optional[str] = ...) -> None: ...

class OfferAcceptedEvent(_message.Message):
    __slots__ = ("offer_id", "order_id", "accepted_by", "refund_amount", "release_amount")
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_BY_FIELD_NUMBER: _ClassVar[int]
    REFUND_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    RELEASE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    offer_id: str
    order_id: str
    accepted_by: str
    refund_amount: str
    release_amount: str
    def __init__(self, offer_id: _Optional[str] = ..., order_id: _Optional[str] = ..., accepted_by: _Optional[str] = ..., refund_amount: _Optional[str] = ..., release_amount: _Optional[str] = ...) -> None: ...

class OfferDeclinedEvent(_message.Message):
    __slots__ = ("offer_id", "order_id", "declined_by")
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    DECLINED_BY_FIELD_NUMBER: _ClassVar[int]
    offer_id: str
    order_id: str
    declined_by: str
    def __init__(self, offer_id: _Optional[str] = ..., order_id: _Optional[str] = ..., declined_by: _Optional[str] = ...) -> None: ...

class OfferLapsedEvent(_message.Message):
    __slots__ = ("offer_id", "order_id", "lapsed_at")
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    LAPSED_AT_FIELD_NUMBER: _ClassVar[int]
    offer_id: str
    order_id: str
    lapsed_at: str
    def __init__(self, offer_id: _Optional[str] = ..., order_id: _Optional[str] = ..., lapsed_at: _Optional[str] = ...) -> None: ...

class WithdrawalCreatedEvent(_message.Message):
    __slots__ = ("withdrawal_id", "user_id", "amount", "destination", "reference")
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    withdrawal_id: str
    user_id: str
    amount: str
    destination: str
    reference: str
    def __init__(self, withdrawal_id: _Optional[str] = ..., user_id: _Optional[str] = ..., amount: _Optional[str] = ..., destination: _Optional[str] = ..., reference: _Optional[str] = ...) -> None: ...

class WithdrawalApprovalRequiredEvent(_message.Message):
    __slots__ = ("withdrawal_id", "user_id", "amount", "destination", "reference", "approval_ends_at")
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_ENDS_AT_FIELD_NUMBER: _ClassVar[int]
    withdrawal_id: str
    user_id: str
    amount: str
    destination: str
    reference: str
    approval_ends_at: str
    def __init__(self, withdrawal_id: _Optional[str] = ..., user_id: _Optional[str] = ..., amount: _Optional[str] = ..., destination: _Optional[str] = ..., reference: _Optional[str] = ..., approval_ends_at: _Optional[str] = ...) -> None: ...

class WithdrawalPendingEvent(_message.Message):
    __slots__ = ("withdrawal_id", "user_id", "amount", "destination", "reference")
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    withdrawal_id: str
    user_id: str
    amount: str
    destination: str
    reference: str
    def __init__(self, withdrawal_id: _Optional[str] = ..., user_id: _Optional[str] = ..., amount: _Optional[str] = ..., destination: _Optional[str] = ..., reference: _Optional[str] = ...) -> None: ...

class WithdrawalCanceledEvent(_message.Message):
    __slots__ = ("withdrawal_id", "user_id", "amount", "destination", "reference", "reason")
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    withdrawal_id: str
    user_id: str
    amount: str
    destination: str
    reference: str
    reason: str
    def __init__(self, withdrawal_id: _Optional[str] = ..., user_id: _Optional[str] = ..., amount: _Optional[str] = ..., destination: _Optional[str] = ..., reference: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WithdrawalCompletedEvent(_message.Message):
    __slots__ = ("withdrawal_id", "user_id", "amount", "destination", "reference", "transaction_hash", "completed_at")
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    withdrawal_id: str
    user_id: str
    amount: str
    destination: str
    reference: str
    transaction_hash: str
    completed_at: str
    def __init__(self, withdrawal_id: _Optional[str] = ..., user_id: _Optional[str] = ..., amount: _Optional[str] = ..., destination: _Optional[str] = ..., reference: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., completed_at: _Optional[str] = ...) -> None: ...

class WithdrawalFailedEvent(_message.Message):
    __slots__ = ("withdrawal_id", "user_id", "amount", "destination", "reference", "reason")
    WITHDRAWAL_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    withdrawal_id: str
    user_id: str
    amount: str
    destination: str
    reference: str
    reason: str
    def __init__(self, withdrawal_id: _Optional[str] = ..., user_id: _Optional[str] = ..., amount: _Optional[str] = ..., destination: _Optional[str] = ..., reference: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
