"""Milestone functions of the escrow contract: the seller's status, the buyer's approval."""

from collections.abc import Sequence
from dataclasses import replace

from stellar_sdk import scval, xdr

from devnet.chain.values import symbol
from devnet.soroban.errors import contract_error
from devnet.soroban.escrow_codes import Refusal
from devnet.soroban.escrow_storage import EscrowStorage
from devnet.soroban.escrow_value import Escrow, Milestone, address


def change_status(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    """Let the service provider set a milestone's status, and its evidence if given."""
    index, status = scval.from_uint32(args[0]), scval.from_string(args[1])
    evidence = _optional_text(args[2])
    provider = address(args[3])
    escrow = storage.load()
    if not status:
        raise contract_error(Refusal.EMPTY_MILESTONE_STATUS)
    if provider != escrow.roles.service_provider:
        raise contract_error(Refusal.ONLY_SERVICE_PROVIDER)
    if not escrow.milestones:
        raise contract_error(Refusal.NO_MILESTONE_DEFINED)
    if index >= len(escrow.milestones):
        raise contract_error(Refusal.MILESTONE_TO_UPDATE_DOES_NOT_EXIST)
    if not escrow.milestones[index].status:
        raise contract_error(Refusal.EMPTY_MILESTONE_STATUS)
    storage.host.require_auth(provider)
    milestone = replace(escrow.milestones[index], status=status)
    if evidence is not None:
        milestone = replace(milestone, evidence=evidence)
    _save(storage, escrow, index, milestone, "tw_ms_change")
    return scval.to_void()


def approve(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    """Let the approver approve a milestone; the status need not have changed before."""
    index, approver = scval.from_uint32(args[0]), address(args[1])
    escrow = storage.load()
    if index >= len(escrow.milestones):
        raise contract_error(Refusal.INVALID_MILESTONE_INDEX)
    milestone = escrow.milestones[index]
    if approver != escrow.roles.approver:
        raise contract_error(Refusal.ONLY_APPROVER)
    if milestone.approved:
        raise contract_error(Refusal.MILESTONE_ALREADY_APPROVED)
    if not milestone.status:
        raise contract_error(Refusal.EMPTY_MILESTONE_STATUS)
    storage.host.require_auth(approver)
    _save(storage, escrow, index, replace(milestone, approved=True), "tw_ms_approve")
    return scval.to_void()


def _save(
    storage: EscrowStorage, escrow: Escrow, index: int, milestone: Milestone, event: str
) -> None:
    changed = (*escrow.milestones[:index], milestone, *escrow.milestones[index + 1 :])
    value = storage.save(replace(escrow, milestones=changed))
    storage.host.emit([symbol(event)], scval.to_vec([value]))


def _optional_text(value: xdr.SCVal) -> bytes | None:
    return None if value.type == xdr.SCValType.SCV_VOID else scval.from_string(value)
