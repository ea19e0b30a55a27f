"""The tutorials of the Python SDK on a devnet, from an account to a contract's life.

Argument: the devnet's URL. Runs in an environment that has nothing but the SDK.
"""

import json
import sys
import urllib.request
from importlib.metadata import version
from typing import Any

from stellar_sdk import (
    Address,
    Asset,
    Keypair,
    Operation,
    SorobanServer,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
    xdr,
)
from stellar_sdk.exceptions import AccountNotFoundException
from stellar_sdk.operation import (
    AccountMerge,
    ChangeTrust,
    CreateAccount,
    ManageData,
    Payment,
    SetOptions,
)
from stellar_sdk.soroban_rpc import (
    EventFilter,
    EventFilterType,
    GetTransactionStatus,
    SendTransactionStatus,
)
from stellar_sdk.soroban_server import Durability


class Tutorial:
    """A client that sends, waits and looks, as the SDK's pages show it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.rpc = SorobanServer(f"{url}/rpc")
        self.info = self.fetch("/network-info")
        self.usdc = Asset(self.info["assetCode"], self.info["usdcIssuer"])

    def fetch(self, path: str, body: dict[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}{path}", data) as answer:  # noqa: S310  local
            return json.load(answer)

    def funded(self) -> Keypair:
        keypair = Keypair.random()
        self.fetch(f"/friendbot?addr={keypair.public_key}")
        return keypair

    def builder(self, source: Keypair) -> TransactionBuilder:
        account = self.rpc.load_account(source.public_key)
        return TransactionBuilder(account, self.info["networkPassphrase"], 100).set_timeout(60)

    def land(self, envelope: Any, signer: Keypair) -> Any:
        envelope.sign(signer)
        sent = self.rpc.send_transaction(envelope)
        assert sent.status == SendTransactionStatus.PENDING, sent
        # A hundred attempts in a row, which see most ledgers close; then one a second for a minute.
        done = self.rpc.poll_transaction(
            sent.hash, max_attempts=160, sleep_strategy=lambda attempt: attempt // 100
        )
        assert done.status == GetTransactionStatus.SUCCESS, done
        return done

    def exists(self, keypair: Keypair) -> bool:
        try:
            self.rpc.load_account(keypair.public_key)
        except AccountNotFoundException:
            return False
        return True

    def send(self, source: Keypair, *operations: Operation) -> Any:
        draft = self.builder(source)
        for operation in operations:
            draft.append_operation(operation)
        return self.land(draft.build(), source)

    def draft_call(self, source: Keypair, function: str, *args: Any) -> TransactionEnvelope:
        draft = self.builder(source)
        draft.append_invoke_contract_function_op(self.info["assetContractId"], function, list(args))
        return draft.build()


def main(url: str) -> None:
    """Run the tutorials; an assertion or an error ends them."""
    run = Tutorial(url)
    rpc, info = run.rpc, run.info
    assert rpc.get_health().status == "healthy"
    assert rpc.get_network().passphrase == info["networkPassphrase"]
    assert rpc.get_version_info().version
    first = rpc.get_latest_ledger().sequence
    assert rpc.get_fee_stats().soroban_inclusion_fee.ledger_count >= 0

    alice, bob, carol = run.funded(), run.funded(), Keypair.random()
    run.send(alice, CreateAccount(carol.public_key, "20"))
    run.send(alice, ChangeTrust(run.usdc))
    run.send(bob, ChangeTrust(run.usdc))
    run.fetch("/faucet", {"address": alice.public_key, "amount": "100"})
    run.send(alice, Payment(bob.public_key, run.usdc, "12.5"))
    run.send(carol, ManageData("colour", "blue"))
    run.send(carol, ManageData("colour", None))
    run.send(carol, SetOptions(home_domain="example.com"))
    run.send(carol, AccountMerge(alice.public_key))
    assert not run.exists(carol)

    own, other = Address(alice.public_key), Address(bob.public_key)
    asked = rpc.simulate_transaction(run.draft_call(alice, "balance", scval.to_address(own)))
    assert asked.results is not None, asked
    assert scval.to_native(asked.results[0].xdr) == 875_000_000
    transfer = run.draft_call(
        alice,
        "transfer",
        scval.to_address(own),
        scval.to_address(other),
        scval.to_int128(75_000_000),
    )
    run.land(rpc.prepare_transaction(transfer), alice)
    transfers = EventFilter(
        type=EventFilterType.CONTRACT,
        contractIds=[info["assetContractId"]],
        topics=[[scval.to_symbol("transfer").to_xdr(), "**"]],
    )
    found = rpc.get_events(first, filters=[transfers])
    assert [scval.to_native(event.value) for event in found.events][-2:] == [
        125_000_000,
        75_000_000,
    ]
    assert rpc.simulate_transaction(run.draft_call(alice, "nothing")).error
    marker = xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE)
    instance = rpc.get_contract_data(info["assetContractId"], marker, Durability.PERSISTENT)
    assert instance is not None
    inner = run.builder(bob).append_operation(Payment(alice.public_key, run.usdc, "1")).build()
    inner.sign(bob)
    bump = TransactionBuilder.build_fee_bump_transaction(
        alice, 200, inner, info["networkPassphrase"]
    )
    run.land(bump, alice)
    assert len(rpc.get_transactions(first, limit=5).transactions) == 5
    assert len(rpc.get_ledgers(first, limit=3).ledgers) == 3
    sys.stdout.write(f"stellar-sdk {version('stellar-sdk')}: works\n")


if __name__ == "__main__":
    main(sys.argv[1])
