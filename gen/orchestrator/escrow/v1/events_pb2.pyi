from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class EscrowCreatedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id", "trustless_contract_id", "amount")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    TRUSTLESS_CONTRACT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    trustless_contract_id: str
    amount: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ..., trustless_contract_id: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class EscrowFundingStartedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class EscrowFundedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id", "funded_at", "amount")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    FUNDED_AT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    funded_at: str
    amount: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ..., funded_at: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class EscrowMilestoneCompletedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class EscrowReleasedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id", "released_at", "amount")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    released_at: str
    amount: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ..., released_at: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class EscrowRefundedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id", "refunded_at", "amount")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_AT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    refunded_at: str
    amount: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ..., refunded_at: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class EscrowDisputedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ...) -> None: ...

class EscrowResolvedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id", "released_amount", "refunded_amount")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    RELEASED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    released_amount: str
    refunded_amount: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ..., released_amount: _Optional[str] = ..., refunded_amount: _Optional[str] = ...) -> None: ...

class EscrowFailedEvent(_message.Message):
    __slots__ = ("escrow_id", "order_id", "reason")
    ESCROW_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    escrow_id: str
    order_id: str
    reason: str
    def __init__(self, escrow_id: _Optional[str] = ..., order_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DepositConfirmedEvent(_message.Message):
    __slots__ = ("deposit_id", "user_uuid", "user_id", "address", "asset", "amount", "minor_units", "transaction_hash", "ledger", "from_address", "memo")
    DEPOSIT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_UUID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MINOR_UNITS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_HASH_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    FROM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    MEMO_FIELD_NUMBER: _ClassVar[int]
    deposit_id: str
    user_uuid: str
    user_id: str
    address: str
    asset: str
    amount: str
    minor_units: str
    transaction_hash: str
    ledger: int
    from_address: str
    memo: str
    def __init__(self, deposit_id: _Optional[str] = ..., user_uuid: _Optional[str] = ..., user_id: _Optional[str] = ..., address: _Optional[str] = ..., asset: _Optional[str] = ..., amount: _Optional[str] = ..., minor_units: _Optional[str] = ..., transaction_hash: _Optional[str] = ..., ledger: _Optional[int] = ..., from_address: _Optional[str] = ..., memo: _Optional[str] = ...) -> None: ...

class WalletCreatedEvent(_message.Message):
    __slots__ = ("wallet_id", "user_id", "address")
    WALLET_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    wallet_id: str
    user_id: str
    address: str
    def __init__(self, wallet_id: _Optional[str] = ..., user_id: _Optional[str] = ..., address: _Optional[str] = ...) -> None: ...
