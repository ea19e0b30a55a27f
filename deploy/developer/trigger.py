"""`trigger`: let an event happen in the sandbox.

Two users, `usr_cli_buyer` and `usr_cli_seller`, carry out through the public API what leads to the
event. The faucet of a test network pays, so the marketplace must be on a test network.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

import click

from deploy.developer.command import RefusedError, Session, calling
from deploy.developer.sandbox import Sandbox, wait
from deploy.operator.answers import Answer

BUYER, SELLER = "cli_buyer", "cli_seller"
AMOUNT = "20.00"
WAIT_SECONDS = 60


class Play:
    """One order and the actions on it. Each action is printed when it is done."""

    def __init__(self, session: Session, sandbox: Sandbox, *, destination: str) -> None:
        self._session = session
        self._api = session.api
        self._sandbox = sandbox
        self._destination = destination
        self.about = ""

    def order_released(self) -> None:
        """Play a purchase that ends with a release."""
        self._to_funded()
        self._api.deliver_order(self.about, notes="By orchestrator trigger")
        self._did("delivered")
        self._api.release_funds(self.about, wait_seconds=WAIT_SECONDS, requestedBy="BUYER")
        self._ended("released")

    def order_canceled(self) -> None:
        """Play an order that is canceled before its contract exists."""
        self._to_reserved()
        self._api.cancel_order(self.about, wait_seconds=WAIT_SECONDS, canceledBy="BUYER")
        self._ended("canceled")

    def order_refunded(self) -> None:
        """Play an order whose money is refunded."""
        self._to_funded()
        self._api.refund_order(self.about, wait_seconds=WAIT_SECONDS, requestedBy="SELLER")
        self._ended("refunded")

    def dispute_opened(self) -> None:
        """Play an order that is frozen by a dispute."""
        self._to_funded()
        self._api.open_dispute(self.about, openedBy="BUYER", reason="QUALITY_ISSUE")
        self._ended("disputed")

    def dispute_resolved(self) -> None:
        """Play a dispute that is decided by an equal split."""
        self.dispute_opened()
        dispute = self._api.get_order(self.about)["dispute"]
        if dispute is None:
            raise RefusedError("NO_DISPUTE", f"{self.about} has no dispute")
        self._api.assign_dispute(dispute["id"], agentId="orchestrator-cli")
        self._did("assigned")
        half = str(Decimal(AMOUNT) / 2)
        self._api.resolve_dispute(
            dispute["id"],
            wait_seconds=WAIT_SECONDS,
            decision="SPLIT",
            releaseAmount=half,
            refundAmount=half,
        )
        self._ended("resolved")

    def withdrawal_completed(self) -> None:
        """Play a withdrawal of a user's money to an account outside."""
        if not self._destination:
            raise RefusedError("NO_DESTINATION", "say where to with --destination G…")
        buyer = self._buyer()
        made = self._api.create_withdrawal(
            userId=buyer, amount=AMOUNT, destination=self._destination, commit=True
        )
        self.about = made["id"]
        self._did("withdrawal created")

        def ended() -> str | None:
            now = self._api.get_withdrawal(self.about)
            return None if now["inProgress"] else now["status"]

        status = wait(ended, what=f"{self.about} did not end")
        self._did(status.lower())
        if status != "COMPLETED":
            raise RefusedError("WITHDRAWAL_NOT_COMPLETED", f"{self.about} is {status}")

    def _buyer(self) -> str:
        """Register the buyer, and pay in enough money."""
        buyer = self._sandbox.user(BUYER)
        if Decimal(self._api.get_user_balance(buyer)["available"]) < Decimal(AMOUNT):
            self._session.progress(f"  {buyer} pays in 10 times {AMOUNT}")
            self._sandbox.fund(buyer, str(10 * Decimal(AMOUNT)))
        return buyer

    def _to_reserved(self) -> None:
        buyer, seller = self._buyer(), self._sandbox.user(SELLER)
        order = self._api.create_order(
            buyerId=buyer, sellerId=seller, amount=AMOUNT, title="By orchestrator trigger"
        )
        self.about = order["id"]
        self._did("created")
        self._api.reserve_funds(self.about, wait_seconds=WAIT_SECONDS)
        self._ended("reserved")

    def _to_funded(self) -> None:
        self._to_reserved()
        self._api.create_escrow(self.about, wait_seconds=WAIT_SECONDS)
        self._ended("escrow created")
        self._api.fund_escrow(self.about, wait_seconds=WAIT_SECONDS)
        self._ended("funded")

    def _ended(self, what: str) -> None:
        """Wait until no operation is in progress. Raises: LateError; RefusedError: it failed."""

        def ended() -> str | None:
            now = self._api.get_order(self.about)
            return None if now["operation"] is not None else now["status"]

        status = wait(ended, what=f"{self.about} is not {what}")
        self._session.progress(f"  {self.about} {what}: {status}")

    def _did(self, what: str) -> None:
        self._session.progress(f"  {self.about} {what}")


PLAYS: Mapping[str, Callable[[Play], None]] = {
    "order.released": Play.order_released,
    "order.canceled": Play.order_canceled,
    "order.refunded": Play.order_refunded,
    "dispute.opened": Play.dispute_opened,
    "dispute.resolved": Play.dispute_resolved,
    "withdrawal.completed": Play.withdrawal_completed,
}


@calling("trigger", about=__doc__)
@click.argument("event", type=click.Choice(list(PLAYS)))
@click.option("--destination", default="", help="Of a withdrawal: an account outside.")
def command(session: Session, *, event: str, destination: str) -> Answer:
    """Let the event happen. Raises: RefusedError; LateError; as the API refuses."""
    sandbox = Sandbox.of(session.api, session.place)
    play = Play(session, sandbox, destination=destination)
    PLAYS[event](play)
    return Answer(lines=[f"{event}  {play.about}"], document={"event": event, "id": play.about})
