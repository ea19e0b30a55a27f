"""The whole escrow service over gRPC on a real socket."""

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc

from chassis.channel import open_channel
from kernel.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from services.escrow.app import build
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.world import AMOUNT, CENT, post, settings
from tests.serving import Client, Socket, serving

WAIT_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The running service and calls to it."""

    client: Client
    devnet: RunningDevnet

    async def call(self, method: str, request: Any) -> Any:
        """Call as the orders service does, with time enough for a long poll."""
        return await self.client.call(
            method, request, caller="orders", timeout_seconds=2 * WAIT_SECONDS
        )

    async def wallet(self) -> escrow_pb2.Wallet:
        """Make a user with a wallet on chain."""
        user = str(uuid.uuid4())
        wallet: escrow_pb2.Wallet = await self.call(
            "CreateWallet",
            escrow_pb2.CreateWalletRequest(
                request_id=f"wallet of {user}",
                user_id=user,
                user_public_id=f"usr_{user[:8]}",
                wait_seconds=WAIT_SECONDS,
            ),
        )
        return wallet

    async def ended(self, command: escrow_pb2.Command) -> escrow_pb2.Command:
        """Wait for a command's end."""
        ended: escrow_pb2.Command = await self.call(
            "GetCommand",
            escrow_pb2.GetCommandRequest(command_id=command.id, wait_seconds=WAIT_SECONDS),
        )
        return ended


@pytest.fixture(scope="module")
async def service(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    nats_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Service]:
    """The service as its process would run it."""
    database = make_database()
    given = settings(
        database=database,
        devnet=devnet,
        folder=str(tmp_path_factory.mktemp("escrow")),
        nats_url=nats_url,
    )
    async with serving(await build(given)) as address, open_channel(address) as channel:
        stub = escrow_pb2_grpc.EscrowServiceStub(channel)
        yield Service(client=Client(transport=Socket(stub=stub)), devnet=devnet)
    database.drop()


def creation(buyer: escrow_pb2.Wallet, seller: escrow_pb2.Wallet) -> escrow_pb2.CreateEscrowRequest:
    """Return the request that creates an order's escrow."""
    return escrow_pb2.CreateEscrowRequest(
        request_id=str(uuid.uuid4()),
        escrow_id=str(uuid.uuid4()),
        order_id=str(uuid.uuid4()),
        buyer_user_id=buyer.user_id,
        seller_user_id=seller.user_id,
        amount=common_pb2.Money(asset="USDC", minor_units=AMOUNT),
        title="Logo design",
    )


async def test_purchase_runs_from_wallet_creation_to_release(service: Service) -> None:
    buyer, seller = await service.wallet(), await service.wallet()
    post(service.devnet.info["faucetUrl"], {"address": buyer.address, "amount": "100.00"})
    request = creation(buyer, seller)

    created = await service.ended(await service.call("CreateEscrow", request))
    for kind in ("Fund", "Release"):
        asked = getattr(escrow_pb2, f"{kind}EscrowRequest")(
            request_id=str(uuid.uuid4()), order_id=request.order_id, wait_seconds=WAIT_SECONDS
        )
        command = await service.call(f"{kind}Escrow", asked)
        assert command.state == escrow_pb2.COMMAND_STATE_SUCCEEDED
        assert command == await service.ended(command)

    assert buyer.state == escrow_pb2.WALLET_STATE_ACTIVE
    assert created.escrow.contract_id.startswith("C")
    assert command.escrow.state == escrow_pb2.ESCROW_STATE_RELEASED
    assert [p.amount.minor_units for p in command.payments if p.absorbed_fee] == [24 * CENT]
    found = await service.call(
        "GetWallet", escrow_pb2.GetWalletRequest(user_id=seller.user_id, with_balances=True)
    )
    assert [(m.asset, m.minor_units) for m in found.balances] == [("USDC", AMOUNT)]
    listed = await service.call(
        "ListTransactions", escrow_pb2.ListTransactionsRequest(order_id=request.order_id)
    )
    names = [t.name for t in listed.transactions]
    assert names[:2] == ["deploy_escrow", "fund_escrow"]
    # These two are signed side by side.
    assert set(names[2:4]) == {"change_milestone_status", "approve_milestone"}
    assert names[4:] == ["release_funds", "make_good"]
    assert {t.state for t in listed.transactions} == {"SUCCEEDED"}


async def test_checked_command_has_the_outcome_of_the_command_and_no_effect(
    service: Service,
) -> None:
    buyer, seller = await service.wallet(), await service.wallet()
    post(service.devnet.info["faucetUrl"], {"address": buyer.address, "amount": "100.00"})
    create = creation(buyer, seller)
    create.platform_fee_bps = 1000
    fund, release = (
        getattr(escrow_pb2, f"{kind}EscrowRequest")(
            request_id=str(uuid.uuid4()), order_id=create.order_id, wait_seconds=WAIT_SECONDS
        )
        for kind in ("Fund", "Release")
    )
    both = escrow_pb2.CheckCommandRequest(after=create, fund=fund)
    funding = await service.call("CheckCommand", both)
    assert list(funding.steps) == ["fund_escrow"]
    with pytest.raises(NotFound):
        await service.call("CheckCommand", escrow_pb2.CheckCommandRequest(fund=fund))

    for name, request in {"create": create, "fund": fund, "release": release}.items():
        asked = escrow_pb2.CheckCommandRequest(**{name: request})
        found = await service.call("CheckCommand", asked)
        unknown = escrow_pb2.GetCommandRequest(command_id=request.request_id)
        with pytest.raises(NotFound):
            await service.call("GetCommand", unknown)

        done = await service.ended(await service.call(f"{name.capitalize()}Escrow", request))

        assert (found.command.state, found.command.escrow.state) == (done.state, done.escrow.state)
        assert found.command.escrow.contract_id == done.escrow.contract_id
        for payee in escrow_pb2.PayeeRole.values():
            foreseen, paid = (
                [(p.amount.minor_units, p.absorbed_fee) for p in one.payments if p.payee == payee]
                for one in (found.command, done)
            )
            assert foreseen == paid, payee
    with pytest.raises(FailedPrecondition):
        await service.call("CheckCommand", escrow_pb2.CheckCommandRequest(release=release))


async def test_replayed_answer_is_the_snapshot_at_acceptance(service: Service) -> None:
    buyer, seller = await service.wallet(), await service.wallet()
    request = creation(buyer, seller)

    first = await service.call("CreateEscrow", request)
    await service.ended(first)
    again, was_replayed = await service.client.call_with_replay(
        "CreateEscrow", request, caller="orders"
    )

    assert first.state == escrow_pb2.COMMAND_STATE_RUNNING
    assert first.escrow.state == escrow_pb2.ESCROW_STATE_CREATING
    assert first.step == "deploy_escrow"
    assert first.escrow.contract_id
    assert again.SerializeToString() == first.SerializeToString()
    assert was_replayed


async def test_repeated_wallet_request_returns_the_same_wallet(service: Service) -> None:
    wallet = await service.wallet()
    request = escrow_pb2.CreateWalletRequest(
        request_id="another", user_id=wallet.user_id, user_public_id=wallet.user_public_id
    )

    again = await service.call("CreateWallet", request)

    assert (again.id, again.address) == (wallet.id, wallet.address)


async def test_request_id_reused_for_another_user_is_refused_without_effect(
    service: Service,
) -> None:
    wallet = await service.wallet()
    other = str(uuid.uuid4())
    request = escrow_pb2.CreateWalletRequest(
        request_id=f"wallet of {wallet.user_id}", user_id=other, user_public_id="usr_other"
    )

    with pytest.raises(AlreadyExists):
        await service.call("CreateWallet", request)
    with pytest.raises(NotFound):
        await service.call("GetWallet", escrow_pb2.GetWalletRequest(user_id=other))


async def test_network_details_are_returned(service: Service) -> None:
    network = await service.call("GetNetwork", escrow_pb2.GetNetworkRequest())

    assert network.name == "DEVNET"
    assert network.asset_code == "USDC"
    assert network.asset_issuer == service.devnet.info["usdcIssuer"]
    assert network.asset_contract.startswith("C")


async def test_holdings_are_paged_and_read_live(service: Service) -> None:
    theirs = Service(client=Client(transport=service.client.transport), devnet=service.devnet)
    wallets = [await theirs.wallet() for _ in range(3)]
    post(service.devnet.info["faucetUrl"], {"address": wallets[1].address, "amount": "5.00"})

    token, seen = "", []
    while True:
        page = await theirs.client.call(
            "ListHoldings",
            escrow_pb2.ListHoldingsRequest(
                page=common_pb2.PageRequest(page_size=2, page_token=token)
            ),
            caller="operator",
        )
        seen += page.holdings
        token = page.next_page_token
        if not token:
            break

    assert {(h.account, h.balance.minor_units, h.in_motion) for h in seen} == {
        (f"user:{wallet.user_id}", 500 * CENT * (wallet is wallets[1]), False) for wallet in wallets
    }


async def test_refusals_carry_their_reason(service: Service) -> None:
    buyer, seller = await service.wallet(), await service.wallet()
    request = creation(buyer, seller)
    await service.ended(await service.call("CreateEscrow", request))
    release = escrow_pb2.ReleaseEscrowRequest(
        request_id=str(uuid.uuid4()), order_id=request.order_id
    )
    resolve = escrow_pb2.ResolveEscrowRequest(
        request_id=str(uuid.uuid4()),
        order_id=request.order_id,
        seller_share=common_pb2.Money(asset="USDC", minor_units=CENT),
        buyer_share=common_pb2.Money(asset="USDC", minor_units=CENT),
    )
    second = creation(buyer, seller)
    second.order_id = request.order_id

    with pytest.raises(FailedPrecondition) as not_ready:
        await service.call("ReleaseEscrow", release)
    with pytest.raises(InvalidArgument) as mismatch:
        await service.call("ResolveEscrow", resolve)
    with pytest.raises(FailedPrecondition) as exists:
        await service.call("CreateEscrow", second)

    assert not_ready.value.reason == "ESCROW_NOT_READY"
    assert mismatch.value.reason == "SHARES_MISMATCH"
    assert exists.value.reason == "ESCROW_ALREADY_EXISTS"
