"""Unsigned transactions: a simulated call in an envelope, built honestly or not."""

import time

from stellar_sdk import (
    Account,
    InvokeHostFunction,
    Payment,
    TransactionBuilder,
    xdr,
)
from stellar_sdk.operation import Operation

from devnet.chain.addresses import sc_address
from devnet.chain.assets import sdk_asset
from devnet.chain.entries import read_account
from devnet.chain.envelope import parse
from devnet.network.identity import Identity
from devnet.network.ledger import Ledger
from devnet.network.simulate import Simulation, simulate
from devnet.soroban.errors import HostError
from devnet.soroban.escrow_codes import Refusal
from devnet.trustless_work.calls import Call
from devnet.trustless_work.evil import twisted

VALID_SECONDS = 300
INCLUSION_FEE = 1_000
STOLEN = "1"


class BuildError(Exception):
    """The call would fail; the message is the API's answer."""


class Builder:
    """Builds envelopes for calls on the last ledger."""

    def __init__(self, *, ledger: Ledger, identity: Identity) -> None:
        self._ledger = ledger
        self._identity = identity

    def build(self, call: Call, *, evil: str | None) -> str:
        """Return the unsigned envelope as base64.

        evil: "amount", "receiver" or "payment" make it differ from the request.
        Raises: BuildError.
        """
        thief = self._identity.distributor.public_key
        wrong = twisted(call, evil, thief=thief) if evil is not None else call
        if wrong is None:
            asset = sdk_asset(self._identity.usdc)
            return self._envelope(call.source, Payment(thief, asset, STOLEN), None)
        operation = _operation(wrong)
        done = self._simulate(self._envelope(wrong.source, operation, None))
        operation.auth = list(done.auth)
        return self._envelope(wrong.source, operation, done)

    def _simulate(self, text: str) -> Simulation:
        environment = self._ledger.environment
        done = simulate(
            parse(text, network_id=environment.network_id),
            ledger=self._ledger.entries,
            sequence=self._ledger.newest.sequence + 1,
            environment=environment,
            auth_mode=None,
        )
        if done.failure is not None:
            raise BuildError(_message(done.failure))
        return done

    def _envelope(self, source: str, operation: Operation, done: Simulation | None) -> str:
        account = read_account(self._ledger.entries, source)
        if account is None:
            raise BuildError(f"Account not found: {source}")
        fee = INCLUSION_FEE + (0 if done is None else done.resource_fee)
        builder = TransactionBuilder(
            Account(source, account.sequence), self._identity.passphrase, base_fee=fee
        )
        builder.append_operation(operation).add_time_bounds(0, int(time.time()) + VALID_SECONDS)
        if done is not None and done.data is not None:
            builder.set_soroban_data(done.data)
        return builder.build().to_xdr()


def _operation(call: Call) -> InvokeHostFunction:
    function = xdr.HostFunction(
        xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT,
        invoke_contract=xdr.InvokeContractArgs(
            contract_address=sc_address(call.contract),
            function_name=xdr.SCSymbol(call.function.encode()),
            args=list(call.args),
        ),
    )
    return InvokeHostFunction(function, [])


def _message(failure: HostError) -> str:
    number = failure.error.contract_code
    if number is None or number.uint32 not in {item.value for item in Refusal}:
        return str(failure)
    return Refusal(number.uint32).name.replace("_", " ").capitalize()
