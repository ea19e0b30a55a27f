from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class BalanceCreditedEvent(_message.Message):
    __slots__ = ("user_id", "amount", "source", "new_balance", "transaction_hash", "order_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    NEW_BALANCE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    amount: str
    source: str
    new_balance: str
    transaction_hash: str
    order_id: str
    def __init__(self, user_id: _Optional[str] = ..., amount: _Optional[str] = ..., source: _Optional[str] = ..., new_balance: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class BalanceDebitedEvent(_message.Message):
    __slots__ = ("user_id", "amount", "destination", "new_balance", "order_id")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    NEW_BALANCE_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    amount: str
    destination: str
    new_balance: str
    order_id: str
    def __init__(self, user_id: _Optional[str] = ..., amount: _Optional[str] = ..., destination: _Optional[str] = ..., new_balance: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class BalanceReservedEvent(_message.Message):
    __slots__ = ("user_id", "amount", "order_id", "reserved_balance")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVED_BALANCE_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    amount: str
    order_id: str
    reserved_balance: str
    def __init__(self, user_id: _Optional[str] = ..., amount: _Optional[str] = ..., order_id: _Optional[str] = ..., reserved_balance: _Optional[str] = ...) -> None: ...

class BalanceReleasedEvent(_message.Message):
    __slots__ = ("user_id", "amount", "order_id", "reason")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    amount: str
    order_id: str
    reason: str
    def __init__(self, user_id: _Optional[str] = ..., amount: _Optional[str] = ..., order_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
