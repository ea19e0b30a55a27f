"""Users: registration, balance, statement, wallet, deposit address."""

from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2

from gateway.backends import User
from gateway.call import Answer, Call
from gateway.keys import ADMIN, READ, WRITE
from gateway.marketplace import commands, envelope, examples, outputs, rendering
from gateway.marketplace.inputs import CreditUser, Paging, RegisterUser
from gateway.routing import Routes
from kernel.errors import NotFound
from kernel.money import USDC

ID_LENGTH_MAX = 64
routes = Routes("Users")


class UserNotFound(NotFound):
    """The marketplace has no such user."""

    reason = "USER_NOT_FOUND"


@routes.post(
    "/users",
    scope=WRITE,
    body=RegisterUser,
    examples=examples.REGISTER_USER,
    answers={201: envelope.Success[outputs.User]},
    refusals=("USER_ID_TAKEN",),
)
async def register_user(call: Call, body: RegisterUser) -> Answer:
    """Register a user, with a balance account and a wallet; again: the same user."""
    request = orders_pb2.RegisterUserRequest(
        **commands.written(call),
        external_user_id=body.external_user_id,
        public_id=body.id or "",
        email=body.email or "",
        type=rendering.USER_TYPES.by_name[body.type or "BOTH"],  # type: ignore[arg-type] # the enum's value
    )
    user = await commands.change(call, call.backends.orders.RegisterUser, request)
    return rendering.success(rendering.user(user), status=commands.CREATED)


@routes.get("/users", scope=READ, query=Paging, answers={200: envelope.Page[outputs.User]})
async def list_users(call: Call, query: Paging) -> Answer:
    """List the marketplace's users, newest first."""
    request = orders_pb2.ListUsersRequest(page=commands.page_request(query))
    found = await call.backends.call(call.backends.orders.ListUsers, request)
    items = [rendering.user(user) for user in found.users]
    return rendering.page(items, next_token=found.next_page_token)


@routes.get(
    "/users/{id}",
    scope=READ,
    answers={200: envelope.Success[outputs.User]},
    refusals=("USER_NOT_FOUND",),
)
async def get_user(call: Call) -> Answer:
    """Read a user."""
    request = orders_pb2.GetUserRequest(user=_name(call))
    user = await call.backends.call(call.backends.orders.GetUser, request)
    return rendering.success(rendering.user(user))


async def get_balance(call: Call) -> Answer:
    """Read what a user can spend, and what is held."""
    user = await _user(call)
    request = ledger_pb2.GetBalanceRequest(user_id=str(user.id), asset=USDC)
    account = await call.backends.call(call.backends.ledger.GetBalance, request)
    data = rendering.balance(account, user_id=user.public_id, currency=USDC)
    return rendering.success(data)


for _path, _operation in (("/users/{id}/balance", "get_user_balance"), ("/balances/{id}", "")):
    routes.get(
        _path,
        name=_operation,
        scope=READ,
        answers={200: envelope.Success[outputs.Balance]},
        refusals=("USER_NOT_FOUND",),
    )(get_balance)


@routes.post(
    "/users/{id}/balance/credit",
    scope=ADMIN,
    body=CreditUser,
    examples=examples.CREDIT_USER,
    waits=True,
    answers={
        201: envelope.Success[outputs.Credit],
        202: envelope.Success[outputs.Credit],
    },
    refusals=(
        "USER_NOT_FOUND",
        "MANUAL_CREDIT_DISABLED",
        "REFERENCE_TAKEN",
        "INSUFFICIENT_FUNDS",
        "PROVIDER_ERROR",
    ),
)
async def credit_user(call: Call, body: CreditUser) -> Answer:
    """Pay a user from the platform's wallet, on chain; booked when it is confirmed."""
    request = orders_pb2.CreditUserRequest(
        **commands.awaited(call),
        user=_name(call),
        amount=commands.money(body.amount),
        reference=body.reference,
        description=body.description or "",
    )
    credit = await commands.change(call, call.backends.orders.CreditUser, request)
    running = credit.state == rendering.RUNNING
    status = commands.ACCEPTED if running else commands.CREATED
    return rendering.success(rendering.credit(credit), status=status)


@routes.get(
    "/users/{id}/balance/entries",
    scope=READ,
    query=Paging,
    answers={200: envelope.Page[outputs.Entry]},
    refusals=("USER_NOT_FOUND",),
)
async def list_entries(call: Call, query: Paging) -> Answer:
    """Read a user's statement, newest first: each payment with its postings and balance after it.

    A payout and what makes its fee good are one payment.
    """
    user = await _user(call)
    request = ledger_pb2.ListEntriesRequest(
        user_id=str(user.id), asset=USDC, page=commands.page_request(query)
    )
    found = await call.backends.call(call.backends.ledger.ListEntries, request)
    items = rendering.statement(found.entries)
    return rendering.page(items, next_token=found.next_page_token)


@routes.get(
    "/users/{id}/wallet",
    scope=READ,
    answers={200: envelope.Success[outputs.Wallet]},
    refusals=("USER_NOT_FOUND", "WALLET_NOT_FOUND", "PROVIDER_RATE_LIMITED"),
)
async def get_wallet(call: Call) -> Answer:
    """Read a user's wallet with what it holds on chain."""
    user = await _user(call)
    request = escrow_pb2.GetWalletRequest(user_id=str(user.id), with_balances=True)
    wallet = await call.backends.call(call.backends.escrow.GetWallet, request)
    return rendering.success(rendering.wallet(wallet, user_id=user.public_id))


@routes.get(
    "/users/{id}/wallet/deposit",
    scope=READ,
    answers={200: envelope.Success[outputs.Deposit]},
    refusals=("USER_NOT_FOUND", "WALLET_NOT_FOUND"),
)
async def get_deposit(call: Call) -> Answer:
    """Read where a user's deposits go: address, asset, network."""
    user = await _user(call)
    request = escrow_pb2.GetWalletRequest(user_id=str(user.id))
    wallet = await call.backends.call(call.backends.escrow.GetWallet, request)
    network = await call.backends.network()
    data = rendering.deposit(wallet, user_id=user.public_id, network=network)
    return rendering.success(data)


def _name(call: Call) -> str:
    text = call.params["id"]
    plain = text.replace("_", "").replace("-", "")
    if len(text) > ID_LENGTH_MAX or not (text.isascii() and (plain.isalnum() or not plain)):
        raise UserNotFound("User not found")
    return text


async def _user(call: Call) -> User:
    return await call.backends.user(_name(call))
