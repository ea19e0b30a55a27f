"""`webhooks`: register URLs, look at what was sent to them, and send it again."""

from typing import Any

import click

from deploy.developer.command import Session, calling
from deploy.developer.tables import count, listed, page_size
from deploy.operator.answers import Answer


@calling("list", about="List webhooks.")
@count
def listing(session: Session, *, count: int) -> Answer:
    """List webhooks. Raises: as the API refuses."""
    found = session.api.list_webhooks(limit=page_size(count))
    return listed("webhooks", found, most=count, show="id enabled url eventTypes")


@calling("create", about="Register a URL; its secret is printed only once.")
@click.argument("url")
@click.option("--events", required=True, help="Such as order.*,withdrawal.failed; * for all.")
@click.option("--description", default="", help="A note on its purpose.")
def create(session: Session, *, url: str, events: str, description: str) -> Answer:
    """Register a webhook. Raises: as the API refuses."""
    types = [one.strip() for one in events.split(",")]
    made = session.api.create_webhook(url=url, eventTypes=types, description=description or None)
    return Answer(lines=[made["id"], f"Signing secret: {made['secret']}"], document=dict(made))


@calling("test", about="Send an event of the type webhook.test to one webhook.")
@click.argument("webhook")
def test(session: Session, *, webhook: str) -> Answer:
    """Send a test event. Raises: as the API refuses."""
    sent = session.api.send_webhook_test(webhook)
    return Answer(lines=[f"{sent['id']} {sent['status']}"], document=dict(sent))


@calling("deliveries", about="List what was sent to a webhook, newest first.")
@click.argument("webhook")
@click.option("--status", help="PENDING, DELIVERED or FAILED.")
@count
def deliveries(session: Session, *, webhook: str, status: Any, count: int) -> Answer:
    """List the deliveries of a webhook. Raises: as the API refuses."""
    found = session.api.list_webhook_deliveries(webhook, limit=page_size(count), status=status)
    return listed(
        "deliveries", found, most=count, show="id status attempts createdAt eventType aggregateId"
    )


@calling("resend", about="Send one delivery again, or all that have ended since an instant.")
@click.argument("webhook")
@click.option("--delivery", default="", help="Its id.")
@click.option("--since", default="", help="Such as 2026-02-18T10:00:00.000Z.")
def resend(session: Session, *, webhook: str, delivery: str, since: str) -> Answer:
    """Send one delivery again, or all since a time. Raises: as the API refuses."""
    if bool(delivery) is bool(since):
        raise click.UsageError("give either --delivery or --since")
    if delivery:
        session.api.resend_webhook_delivery(webhook, delivery)
        number = 1
    else:
        number = session.api.resend_webhook_deliveries(webhook, since=since)["count"]
    return Answer(lines=[f"{number} sent again"], document={"webhookId": webhook, "count": number})


group = click.Group(
    "webhooks",
    help="Register URLs, and see what was sent to them.",
    commands=[listing, create, test, deliveries, resend],
)
