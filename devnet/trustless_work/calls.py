"""Converts request bodies to contract calls."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stellar_sdk import scval, xdr

from devnet.chain.addresses import address_value
from devnet.chain.assets import AssetRef, contract_id
from devnet.network.identity import Identity
from devnet.soroban import escrow_value
from devnet.soroban.escrow_value import Escrow, Flags, Milestone, Roles
from devnet.trustless_work.bodies import BadBodyError, Body

SALT_BYTES = 32
FIRST_STATUS = b"pending"

StoredEscrow = Callable[[str], xdr.SCVal | None]


class UnknownEscrowError(LookupError):
    """There is no such escrow contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A contract call that `source` has to sign."""

    source: str
    contract: str
    function: str
    args: Sequence[xdr.SCVal]


class Calls:
    """Reads bodies. stored: returns an escrow's value on the ledger."""

    def __init__(self, *, identity: Identity, stored: StoredEscrow) -> None:
        self._identity = identity
        self._stored = stored

    def deploy(self, body: Body) -> Call:
        """POST /deployer/single-release."""
        signer, escrow = body.account("signer"), self._escrow(body)
        body.check()
        profile = self._identity.profile
        args = [
            address_value(signer),
            scval.to_bytes(profile.wasm_hash),
            scval.to_bytes(secrets.token_bytes(SALT_BYTES)),
            scval.to_symbol("initialize_escrow"),
            scval.to_vec([escrow_value.encode(escrow, profile=profile)]),
            scval.to_vec([]),
        ]
        return Call(
            source=signer,
            contract=self._identity.factory,
            function="tw_new_single_release_escrow",
            args=args,
        )

    def fund(self, body: Body) -> Call:
        """POST …/fund-escrow."""
        contract, signer = body.contract("contractId"), body.account("signer")
        amount = body.amount("amount")
        body.check()
        stored = self._stored(contract)
        if stored is None:
            raise UnknownEscrowError(contract)
        args = [address_value(signer), stored, scval.to_int128(amount)]
        return Call(source=signer, contract=contract, function="fund_escrow", args=args)

    def change_status(self, body: Body) -> Call:
        """POST …/change-milestone-status."""
        contract, provider = body.contract("contractId"), body.account("serviceProvider")
        index, status = body.index("milestoneIndex"), body.text("newStatus")
        evidence = body.text("newEvidence", optional=True)
        body.check()
        args = [
            scval.to_uint32(index),
            scval.to_string(status),
            scval.to_string(evidence) if evidence else scval.to_void(),
            address_value(provider),
        ]
        return Call(
            source=provider, contract=contract, function="change_milestone_status", args=args
        )

    def approve(self, body: Body) -> Call:
        """POST …/approve-milestone."""
        contract, approver = body.contract("contractId"), body.account("approver")
        index = body.index("milestoneIndex")
        body.check()
        args = [scval.to_uint32(index), address_value(approver)]
        return Call(source=approver, contract=contract, function="approve_milestone", args=args)

    def release(self, body: Body) -> Call:
        """POST …/release-funds."""
        return self._signed_by(body, "releaseSigner", "release_funds")

    def dispute(self, body: Body) -> Call:
        """POST …/dispute-escrow."""
        return self._signed_by(body, "signer", "dispute_escrow")

    def resolve(self, body: Body) -> Call:
        """POST …/resolve-dispute."""
        return self._distribution(body, "resolve_dispute")

    def withdraw(self, body: Body) -> Call:
        """POST …/withdraw-remaining-funds."""
        return self._distribution(body, "withdraw_remaining_funds")

    def _signed_by(self, body: Body, field: str, function: str) -> Call:
        contract, signer = body.contract("contractId"), body.account(field)
        body.check()
        args = [address_value(signer)]
        return Call(source=signer, contract=contract, function=function, args=args)

    def _distribution(self, body: Body, function: str) -> Call:
        contract, resolver = body.contract("contractId"), body.account("disputeResolver")
        items = body.items("distributions")
        shares = [(item.account("address"), item.amount("amount")) for item in items]
        body.check()
        paid = {address_value(address): scval.to_int128(amount) for address, amount in shares}
        if len(paid) != len(shares):
            raise BadBodyError(["distributions must name every address once"])
        args = [address_value(resolver), scval.to_map(paid)]
        return Call(source=resolver, contract=contract, function=function, args=args)

    def _escrow(self, body: Body) -> Escrow:
        roles, line = body.inner("roles"), body.inner("trustline")
        issuer, code = line.account("address"), line.asset_code("symbol")
        token = (
            contract_id(AssetRef(code, issuer), self._identity.passphrase)
            if issuer and code
            else ""
        )
        return Escrow(
            amount=body.amount("amount"),
            description=body.text("description").encode(),
            engagement_id=body.text("engagementId").encode(),
            flags=Flags(disputed=False, released=False, resolved=False),
            milestones=tuple(_milestone(item) for item in body.items("milestones")),
            platform_fee=body.percent("platformFee"),
            receiver_memo=0,
            roles=Roles(
                approver=roles.account("approver"),
                dispute_resolver=roles.account("disputeResolver"),
                platform=roles.account("platformAddress"),
                receiver=roles.account("receiver"),
                release_signer=roles.account("releaseSigner"),
                service_provider=roles.account("serviceProvider"),
            ),
            title=body.text("title").encode(),
            token=token,
        )


def _milestone(item: Body) -> Milestone:
    return Milestone(
        approved=False,
        description=item.text("description").encode(),
        evidence=b"",
        status=FIRST_STATUS,
    )
