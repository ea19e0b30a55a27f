"""The Trustless Work builder: the provider's REST API (V1) proposes a call, we check and make it.

The provider's envelopes have the party's wallet as source, which holds no lumens. So the call is
taken out, compared with the intent, and put into an envelope of our own. In a deployment, the
provider chooses a salt for its call. We replace it by our salt, which determines the address.
Source: api.trustlesswork.com, /docs; docs.trustlesswork.com.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial, singledispatch
from typing import Any

import structlog
from stellar_sdk import xdr
from stellar_sdk.exceptions import SdkError

from kernel.money import UNIT
from services.escrow.contracts.evidence import Unsigned
from services.escrow.contracts.intents import (
    ApproveMilestone,
    ChangeMilestoneStatus,
    DeployEscrow,
    DisputeEscrow,
    EscrowCall,
    FundEscrow,
    Intent,
    ReleaseFunds,
    ResolveDispute,
)
from services.escrow.ports import (
    ChainUnavailable,
    EnvelopeRefused,
    ProviderRefused,
    StellarOptions,
    TrustlessWorkOptions,
)
from services.escrow.stellar.blueprint import Blueprint, Blueprints
from services.escrow.stellar.contract import OnContract
from services.escrow.stellar.direct import DirectBuilder
from services.escrow.stellar.envelope import parse
from services.escrow.stellar.http import Http
from services.escrow.stellar.quota import Quota, QuotaExhausted

CREATED = 201
# The statuses of a call that the provider refuses, and of one that its contract refuses. A
# contract's refusal says so in its body; an error of the server itself does not.
BAD_REQUEST, FAILED_CALL, FAILED = 400, 500, "FAILED"
# Signer, code, salt, name of the first call, its arguments, the constructor's arguments.
DEPLOYMENT_ARGUMENTS = 6
SALT_ARGUMENT = 2
SALT_BYTES = 32
PERCENT_BPS = 100

Request = tuple[str, dict[str, Any]]
log = structlog.get_logger()


class TrustlessWorkBuilder:
    """Asks the provider for every escrow call; builds everything else directly."""

    def __init__(
        self,
        *,
        options: TrustlessWorkOptions,
        network: StellarOptions,
        blueprints: Blueprints,
        direct: DirectBuilder,
    ) -> None:
        self._options = options
        self._asset = {"address": network.asset_issuer, "symbol": network.asset_code}
        self._blueprints = blueprints
        self._direct = direct
        self._quota = Quota(
            limit=options.requests_per_minute, wait_seconds=options.quota_wait_seconds
        )
        self._http = Http(
            timeout_seconds=options.timeout_seconds, headers={"x-api-key": options.api_key}
        )

    async def build(
        self, intent: Intent, *, source: str, sequence: int, max_time: int, tries: int = 0
    ) -> Unsigned:
        """Make the envelope of an intent.

        Raises: ChainUnavailable; ChainRefused; EnvelopeRefused: the provider built another call;
            ProviderRefused: only the provider refuses the call.
        """
        directly = partial(
            self._direct.build, source=source, sequence=sequence, max_time=max_time, tries=tries
        )
        if isinstance(intent, EscrowCall):
            path, body = _request(intent)
            if isinstance(intent, DeployEscrow):
                body["trustline"] = self._asset
            theirs = await self._ask(path, body)
            if theirs is not None:
                _require_same(theirs, self._blueprints.of(intent))
            ours = await directly(intent)
            if theirs is None:
                # The chain accepts the call, so the provider is behind or has rules of its own.
                raise ProviderRefused("the provider refused a call that the chain accepts")
            return ours
        return await directly(intent)

    async def announce(self, *, transaction_hash: str) -> None:
        """Have the provider index a transaction. It later finds by itself what it was not told."""
        if not self._quota.take_now():
            return
        try:
            status, _ = await self._post(
                "/indexer/update-from-txHash", {"txHash": transaction_hash}
            )
        except ChainUnavailable as error:
            log.warning("trustless_work.not_told", hash=transaction_hash, error=str(error))
            return
        log.info("trustless_work.told", hash=transaction_hash, status=status)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _ask(self, path: str, body: Mapping[str, Any]) -> str | None:
        """Return the envelope that the provider built, or None if it refuses the call."""
        try:
            await self._quota.take()
        except QuotaExhausted:
            raise ChainUnavailable("the provider's request quota is used up") from None
        status, answer = await self._post(path, body)
        unsigned = answer.get("unsignedTransaction")
        if status == CREATED and isinstance(unsigned, str):
            return unsigned
        if _is_refusal(status, answer):
            log.warning("trustless_work.refused", path=path, message=str(answer["message"])[:200])
            return None
        raise ChainUnavailable(f"the provider answered {status}")

    async def _post(self, path: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        try:
            answer = await self._http.post(f"{self._options.url}{path}", json_data=dict(body))
            document = answer.json()
        except (SdkError, TimeoutError, ValueError) as error:
            raise ChainUnavailable("the provider did not answer") from error
        return answer.status_code, document if isinstance(document, dict) else {}


def _request(intent: EscrowCall) -> Request:
    try:
        return request_of(intent)
    except ValueError as error:
        # Dust in a large balance cannot be written in the provider's numbers. The direct builder
        # can write it.
        raise ProviderRefused(str(error)) from error


def _is_refusal(status: int, answer: Mapping[str, Any]) -> bool:
    """Tell whether an answer refuses the call; an error of the server is no refusal."""
    is_failure = status == FAILED_CALL and answer.get("status") == FAILED
    return bool(answer.get("message")) and (status == BAD_REQUEST or is_failure)


@singledispatch
def request_of(intent: EscrowCall) -> Request:
    """Return the provider's path and body for an intent."""
    raise TypeError(f"no request for {type(intent).__name__}")


@request_of.register
def _(intent: DeployEscrow) -> Request:
    roles = intent.roles
    return "/deployer/single-release", {
        "signer": intent.signer,
        "engagementId": intent.engagement_id,
        "title": intent.title,
        "description": intent.description,
        "roles": {
            "approver": roles.approver,
            "serviceProvider": roles.service_provider,
            "platformAddress": roles.platform,
            "releaseSigner": roles.release_signer,
            "disputeResolver": roles.dispute_resolver,
            "receiver": roles.receiver,
        },
        "amount": tokens(intent.amount),
        "platformFee": _number(Decimal(intent.platform_fee_bps) / PERCENT_BPS),
        "milestones": [{"description": text} for text in intent.milestones],
    }


@request_of.register
def _(intent: FundEscrow) -> Request:
    return _single(intent, "fund-escrow", signer=intent.funder, amount=tokens(intent.amount))


@request_of.register
def _(intent: ChangeMilestoneStatus) -> Request:
    path, body = _single(
        intent,
        "change-milestone-status",
        milestoneIndex=str(intent.index),
        newStatus=intent.status,
        serviceProvider=intent.service_provider,
    )
    if intent.evidence is not None:
        body["newEvidence"] = intent.evidence
    return path, body


@request_of.register
def _(intent: ApproveMilestone) -> Request:
    return _single(
        intent, "approve-milestone", milestoneIndex=str(intent.index), approver=intent.approver
    )


@request_of.register
def _(intent: ReleaseFunds) -> Request:
    return _single(intent, "release-funds", releaseSigner=intent.release_signer)


@request_of.register
def _(intent: DisputeEscrow) -> Request:
    return _single(intent, "dispute-escrow", signer=intent.signer)


@request_of.register
def _(intent: ResolveDispute) -> Request:
    shares = [
        {"address": address, "amount": tokens(amount)}
        for address, amount in intent.distributions.items()
    ]
    return _single(intent, "resolve-dispute", disputeResolver=intent.resolver, distributions=shares)


def tokens(amount: int) -> int | float:
    """Return stroops as the JSON number of tokens that the provider expects.

    Raises: ValueError: no JSON number has this value. The returned call is compared in stroops, so
        a number never decides what is paid.
    """
    return _number(Decimal(amount) / UNIT)


def _number(value: Decimal) -> int | float:
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    if Decimal(repr(number)) != value:
        raise ValueError(f"{value} has no exact JSON number")
    return number


def _single(intent: OnContract, name: str, **fields: Any) -> Request:
    return f"/escrow/single-release/{name}", {"contractId": intent.contract_id, **fields}


def _require_same(envelope_xdr: str, meant: Blueprint) -> None:
    """Refuse an envelope that makes another call than the meant one. Raises: EnvelopeRefused."""
    transaction = parse(envelope_xdr).tx
    call = meant.operations[0].body.invoke_host_function_op
    wallet = meant.operations[0].source_account
    if call is None or wallet is None:
        raise TypeError("an escrow intent is a wallet's contract call")
    if transaction.source_account != wallet:
        raise EnvelopeRefused("the provider's envelope is of another account")
    operations = transaction.operations
    theirs = operations[0].body.invoke_host_function_op if len(operations) == 1 else None
    if theirs is None or operations[0].source_account not in {None, wallet}:
        raise EnvelopeRefused("the provider's envelope is not a single contract call")
    given = _with_salt_of(call.host_function, theirs.host_function)
    if given.to_xdr_bytes() != call.host_function.to_xdr_bytes():
        raise EnvelopeRefused("the provider's call is not the one that was asked for")


def _with_salt_of(meant: xdr.HostFunction, given: xdr.HostFunction) -> xdr.HostFunction:
    """Return the given call; in a deployment, its salt is replaced by ours."""
    ours, theirs = meant.invoke_contract, given.invoke_contract
    if ours is None or theirs is None or len(theirs.args) != DEPLOYMENT_ARGUMENTS:
        return given
    salt = theirs.args[SALT_ARGUMENT].bytes
    if len(ours.args) != DEPLOYMENT_ARGUMENTS or salt is None or len(salt.sc_bytes) != SALT_BYTES:
        return given
    args = list(theirs.args)
    args[SALT_ARGUMENT] = ours.args[SALT_ARGUMENT]
    return xdr.HostFunction(
        given.type,
        invoke_contract=xdr.InvokeContractArgs(theirs.contract_address, theirs.function_name, args),
    )
