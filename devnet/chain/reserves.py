"""Base reserves and who pays them: CAP-33 sponsorship."""

from dataclasses import dataclass, field, replace

from devnet.chain import rules
from devnet.chain.addresses import present
from devnet.chain.entries import read_account, write_account
from devnet.chain.state import View
from devnet.chain.validity import spendable


class LowReserveError(Exception):
    """The account that must pay the reserve lacks the balance."""


@dataclass(slots=True)
class Sponsorships:
    """Open sponsorships of one transaction: sponsored account → sponsor."""

    open: dict[str, str] = field(default_factory=dict)

    def sponsor_of(self, address: str) -> str | None:
        """Return the account that pays for entries the account creates now."""
        return self.open.get(address)


def claim(view: View, *, payer: str, owner: str, reserves: int, sponsored: bool) -> None:
    """Take reserves for something that `owner` gets; the owner's own counts must already be raised.

    Raises: LowReserveError: the payer's balance is below its reserve afterwards.
    """
    if sponsored:
        _count(view, payer, sponsoring=reserves)
        _count(view, owner, sponsored=reserves)
    if spendable(present(read_account(view, payer))) < 0:
        raise LowReserveError(payer)


def give_back(view: View, *, sponsor: str | None, owner: str, reserves: int) -> None:
    """Give a sponsor its reserves back for a removed entry."""
    if sponsor is None:
        return
    _count(view, sponsor, sponsoring=-reserves)
    _count(view, owner, sponsored=-reserves)


def give_back_account(view: View, *, sponsor: str) -> None:
    """Give a sponsor its reserves back for a removed account, whose own counts are gone with it."""
    _count(view, sponsor, sponsoring=-rules.ACCOUNT_RESERVES)


def _count(view: View, address: str, *, sponsoring: int = 0, sponsored: int = 0) -> None:
    account = present(read_account(view, address))
    write_account(
        view,
        replace(
            account,
            sponsoring=account.sponsoring + sponsoring,
            sponsored=account.sponsored + sponsored,
        ),
    )
