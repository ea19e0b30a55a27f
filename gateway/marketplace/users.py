"""Users: registration, wallet, and deposit address."""

from typing import Annotated, Literal

from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import Field, StringConstraints

from gateway.answers import Answer
from gateway.backends import User as KnownUser
from gateway.call import Call
from gateway.errors import UserNotFound
from gateway.funds import PayIn, pay_in
from gateway.keys import READ, WRITE
from gateway.marketplace.shapes import (
    Names,
    Output,
    Page,
    Paging,
    Success,
    Text,
    Time,
    Uuid,
    page,
    public,
    success,
    time_or_none,
)
from gateway.models import UUID_PATTERN, Request, UserName
from gateway.routing import Routes
from kernel.money import to_chain_text

NAME_LENGTH_MAX = 64
_TYPES: Names[Literal["BUYER", "SELLER", "BOTH"]] = Names(orders_pb2.UserType, "USER_TYPE_")
_WALLET_STATES: Names[str] = Names(escrow_pb2.WalletState, "WALLET_STATE_")
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
# The services decide which e-mail addresses are valid. The schema has the same rules, for clients.
Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254),
    Field(
        json_schema_extra={
            "pattern": rf"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(\.{_LABEL})*$"
        }
    ),
]
# A marketplace cannot choose a UUID as a public id.
NewUserName = Annotated[
    UserName,
    Field(json_schema_extra={"pattern": rf"^(?!{UUID_PATTERN}$)[A-Za-z0-9_-]{{1,64}}$"}),
]
routes = Routes("Users")


class RegisterUser(Request):
    """A user of the marketplace. `id`: the public id, if the marketplace chooses it.

    `id` may not be another spelling of a UUID, such as `usr_` and 22 base62 characters.
    `externalUserId` may not be another user's UUID.
    """

    external_user_id: Text
    id: NewUserName | None = None
    email: Email | None = None
    type: Literal["BUYER", "SELLER", "BOTH"] | None = None


class User(Output):
    """A user of the marketplace. uuid: the `sub` of their access tokens."""

    id: str
    uuid: Uuid
    externalUserId: str
    email: str | None
    type: str
    createdAt: Time | None


def user(message: orders_pb2.User) -> User:
    """Return a user as the API shows them."""
    return {
        "id": message.public_id,
        "uuid": message.id,
        "externalUserId": message.external_user_id,
        "email": message.email or None,
        "type": _TYPES[message.type],
        "createdAt": time_or_none(message, "created_at"),
    }


@routes.post(
    "/users",
    scope=WRITE,
    status=201,
    examples={
        "buyer": {"externalUserId": "alice", "id": "usr_alice", "type": "BUYER"},
        "seller": {"externalUserId": "bob", "id": "usr_bob", "type": "SELLER"},
    },
    refusals=("USER_ID_TAKEN",),
)
async def register_user(call: Call, body: RegisterUser) -> Answer[Success[User]]:
    """Register a user with a balance account and a wallet. A repetition returns the same user."""
    request = orders_pb2.RegisterUserRequest(
        **call.written(),
        external_user_id=body.external_user_id,
        public_id=body.id or "",
        email=body.email or "",
        type=_TYPES.value(body.type or "BOTH"),
    )
    return success(user(await call.change(call.backends.orders.RegisterUser, request)))


class ListUsers(Paging):
    """Several filters are AND."""

    external_user_id: Text | None = None
    email: Email | None = None


@routes.get("/users", scope=READ)
async def list_users(call: Call, query: ListUsers) -> Answer[Page[User]]:
    """List the marketplace's users, newest first. Several filters are AND."""
    request = orders_pb2.ListUsersRequest(
        page=query.message(),
        external_user_id=query.external_user_id or "",
        email=query.email or "",
    )
    found = await call.read(call.backends.orders.ListUsers, request)
    return page([user(one) for one in found.users], next_token=found.next_page_token)


@routes.get("/users/{id}", scope=READ, refusals=("USER_NOT_FOUND",))
async def get_user(call: Call) -> Answer[Success[User]]:
    """Read a user."""
    request = orders_pb2.GetUserRequest(user=user_name(call))
    return success(user(await call.read(call.backends.orders.GetUser, request)))


class WalletBalance(Output):
    """A wallet's balance of one asset, on chain."""

    asset: str
    balance: Annotated[str, StringConstraints(pattern=r"^\d+\.\d{7}$")]


class Wallet(Output):
    """A user's wallet. Its key never leaves the escrow service."""

    id: str
    userId: str
    publicKey: str
    type: Literal["INVISIBLE"]
    status: str
    balances: list[WalletBalance]


@routes.get(
    "/users/{id}/wallet",
    scope=READ,
    refusals=("USER_NOT_FOUND", "WALLET_NOT_FOUND", "PROVIDER_RATE_LIMITED"),
)
async def get_wallet(call: Call) -> Answer[Success[Wallet]]:
    """Read a user's wallet with its balances on chain."""
    owner = await known_user(call)
    request = escrow_pb2.GetWalletRequest(user_id=str(owner.id), with_balances=True)
    wallet = await call.read(call.backends.escrow.GetWallet, request)
    # All seven decimals, as on chain.
    balances: list[WalletBalance] = [
        {"asset": held.asset, "balance": to_chain_text(held.minor_units)}
        for held in wallet.balances
    ]
    return success(
        {
            "id": public("wal", wallet.id),
            "userId": owner.public_id,
            "publicKey": wallet.address,
            "type": "INVISIBLE",
            "status": _WALLET_STATES[wallet.state],
            "balances": balances,
        }
    )


class Deposit(PayIn):
    """Where money for a user is paid in."""

    userId: str


@routes.get(
    "/users/{id}/wallet/deposit", scope=READ, refusals=("USER_NOT_FOUND", "WALLET_NOT_FOUND")
)
async def get_deposit(call: Call) -> Answer[Success[Deposit]]:
    """Read where money for a user is paid in: address, asset, network."""
    owner = await known_user(call)
    return success({"userId": owner.public_id, **await pay_in(call, str(owner.id))})


def user_name(call: Call) -> str:
    """Return the user's name in the path. Raises: UserNotFound: no user can have this name."""
    text = call.params["id"]
    plain = text.replace("_", "").replace("-", "")
    if len(text) > NAME_LENGTH_MAX or not (text.isascii() and (plain.isalnum() or not plain)):
        raise UserNotFound("User not found")
    return text


async def known_user(call: Call) -> KnownUser:
    """Return both ids of the user in the path. Raises: NotFound: USER_NOT_FOUND."""
    return await call.backends.user(user_name(call))
