"""Classic operations: accounts, trustlines, payments, and reserves paid by a sponsor."""

import pytest
from stellar_sdk import (
    BeginSponsoringFutureReserves,
    ChangeTrust,
    CreateAccount,
    EndSponsoringFutureReserves,
    Keypair,
    Operation,
    Payment,
    xdr,
)

from tests.integration.devnet.chain import UNIT, Chain, Done

Pay = xdr.PaymentResultCode


def payment_code(done: Done) -> xdr.PaymentResultCode:
    assert done.result.result.results is not None
    inner = done.result.result.results[0].tr
    assert inner is not None
    assert inner.payment_result is not None
    return inner.payment_result.code


def wallet(chain: Chain, sponsor: Keypair, new: Keypair) -> list[Operation]:
    """The operations of one sponsored wallet: no XLM of its own, a USDC trustline."""
    return [
        BeginSponsoringFutureReserves(new.public_key, source=sponsor.public_key),
        CreateAccount(new.public_key, "0", source=sponsor.public_key),
        ChangeTrust(chain.usdc, source=new.public_key),
        EndSponsoringFutureReserves(source=new.public_key),
    ]


async def test_a_sponsored_wallet_needs_no_xlm(chain: Chain) -> None:
    sponsor, channel, new = await chain.funded(), await chain.funded(), Keypair.random()

    done = await chain.classic(channel, wallet(chain, sponsor, new), signers=[sponsor, new])

    assert done.ok
    account, payer = await chain.account(new.public_key), await chain.account(sponsor.public_key)
    assert account.balance.int64 == 0
    assert _sponsored(account) == 3
    assert _sponsoring(payer) == 3
    await chain.faucet({"address": new.public_key, "amount": "12.5"})
    assert await chain.usdc_of(new.public_key) == 125_000_000


async def test_a_sponsored_wallet_acts_through_a_channel(chain: Chain) -> None:
    sponsor, new = await chain.funded(), Keypair.random()
    await chain.classic(sponsor, wallet(chain, sponsor, new), signers=[new])
    await chain.faucet({"address": new.public_key, "amount": "2"})
    receiver = await chain.holder()
    payment = Payment(receiver.public_key, chain.usdc, "2", source=new.public_key)

    done = await chain.classic(sponsor, [payment], signers=[new])

    assert done.ok
    assert await chain.usdc_of(receiver.public_key) == 2 * UNIT


async def test_an_open_sponsorship_undoes_the_transaction(chain: Chain) -> None:
    sponsor, new = await chain.funded(), Keypair.random()

    done = await chain.classic(sponsor, wallet(chain, sponsor, new)[:-1], signers=[new])

    assert done.result.result.code == xdr.TransactionResultCode.txBAD_SPONSORSHIP
    account = (await chain.rpc.get_ledger_entries([chain.line_key(new.public_key)])).entries
    assert not account


async def test_ending_a_sponsorship_that_is_not_open_fails(chain: Chain) -> None:
    done = await chain.classic(await chain.funded(), [EndSponsoringFutureReserves()])

    assert done.result.result.code == xdr.TransactionResultCode.txFAILED


async def test_an_account_without_sponsor_needs_its_reserve(chain: Chain) -> None:
    donor, new = await chain.funded(), Keypair.random()

    poor = await chain.classic(donor, [CreateAccount(new.public_key, "0.9999999")])
    rich = await chain.classic(donor, [CreateAccount(new.public_key, "1")])
    again = await chain.classic(donor, [CreateAccount(new.public_key, "1")])

    assert [poor.ok, rich.ok, again.ok] == [False, True, False]


async def test_the_reserve_cannot_be_spent(chain: Chain) -> None:
    donor, new = await chain.funded(), Keypair.random()
    await chain.classic(donor, [CreateAccount(new.public_key, "1.2")])

    trust = await chain.classic(new, [ChangeTrust(chain.usdc)])

    assert not trust.ok


async def test_a_new_accounts_sequence_starts_at_its_ledger(chain: Chain) -> None:
    donor, new = await chain.funded(), Keypair.random()

    done = await chain.classic(donor, [CreateAccount(new.public_key, "5")])

    account = await chain.rpc.load_account(new.public_key)
    assert done.answer.ledger is not None
    assert account.sequence == done.answer.ledger << 32


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("nobody", Pay.PAYMENT_NO_DESTINATION),
        ("untrusting", Pay.PAYMENT_NO_TRUST),
        ("limited", Pay.PAYMENT_LINE_FULL),
        ("too much", Pay.PAYMENT_UNDERFUNDED),
    ],
)
async def test_a_payment_is_refused(chain: Chain, case: str, code: xdr.PaymentResultCode) -> None:
    payer, receiver = await chain.holder("10"), Keypair.random()
    if case != "nobody":
        receiver = await chain.funded()
    if case == "limited":
        await chain.classic(receiver, [ChangeTrust(chain.usdc, limit="9.9999999")])
    if case == "too much":
        await chain.classic(receiver, [ChangeTrust(chain.usdc)])
    amount = "10.0000001" if case == "too much" else "10"

    done = await chain.classic(payer, [Payment(receiver.public_key, chain.usdc, amount)])

    assert payment_code(done) == code
    assert await chain.usdc_of(payer.public_key) == 10 * UNIT


async def test_a_payer_without_trustline_is_refused(chain: Chain) -> None:
    payer, receiver = await chain.funded(), await chain.holder()

    done = await chain.classic(payer, [Payment(receiver.public_key, chain.usdc, "1")])

    assert payment_code(done) == Pay.PAYMENT_SRC_NO_TRUST


async def test_one_failing_operation_undoes_the_others(chain: Chain) -> None:
    payer, receiver = await chain.holder("10"), await chain.holder()
    payments = [Payment(receiver.public_key, chain.usdc, amount) for amount in ("4", "7")]

    done = await chain.classic(payer, payments)

    assert not done.ok
    assert await chain.usdc_of(receiver.public_key) == 0
    assert done.meta.operations[0].events == []


async def test_an_empty_trustline_can_be_closed_and_gives_its_reserve_back(
    chain: Chain,
) -> None:
    sponsor, new = await chain.funded(), Keypair.random()
    await chain.classic(sponsor, wallet(chain, sponsor, new), signers=[new])

    closing = ChangeTrust(chain.usdc, limit="0", source=new.public_key)
    done = await chain.classic(sponsor, [closing], signers=[new])

    assert done.ok
    assert _sponsoring(await chain.account(sponsor.public_key)) == 2


async def test_a_trustline_with_money_cannot_be_closed(chain: Chain) -> None:
    holder = await chain.holder("1")

    done = await chain.classic(holder, [ChangeTrust(chain.usdc, limit="0")])

    assert not done.ok
    assert await chain.usdc_of(holder.public_key) == UNIT


def _sponsored(account: xdr.AccountEntry) -> int:
    assert account.ext.v1 is not None
    assert account.ext.v1.ext.v2 is not None
    return account.ext.v1.ext.v2.num_sponsored.uint32


def _sponsoring(account: xdr.AccountEntry) -> int:
    assert account.ext.v1 is not None
    assert account.ext.v1.ext.v2 is not None
    return account.ext.v1.ext.v2.num_sponsoring.uint32
