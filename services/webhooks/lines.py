"""The lines of the audit trail about webhooks. They never contain a secret."""

from collections.abc import Mapping

from chassis.audit import Change
from kernel.ids import to_public
from services.webhooks.domain import Webhook

# A webhook and its line.
Noted = tuple[Webhook, Change]


def created(webhook: Webhook) -> Noted:
    """Return the line of a registered webhook."""
    return _noted("create", webhook, before={}, after=_fields(webhook))


def updated(before: Webhook, after: Webhook) -> Noted | None:
    """Return the line of the changed fields of a webhook; None: no field has changed."""
    old, new = _fields(before), _fields(after)
    names = [name for name in new if old[name] != new[name]]
    if not names:
        return None
    return _noted(
        "update",
        after,
        before={name: old[name] for name in names},
        after={name: new[name] for name in names},
    )


def deleted(webhook: Webhook) -> Noted:
    """Return the line of a deleted webhook."""
    return _noted("delete", webhook, before=_fields(webhook), after={})


def rotated(before: Webhook, after: Webhook) -> Noted:
    """Return the line of a replaced secret."""
    return _noted(
        "rotate_secret",
        after,
        before={"secretNumber": before.secret_number},
        after={"secretNumber": after.secret_number},
    )


def sent(verb: str, webhook: Webhook, *, deliveries: int) -> Noted:
    """Return the line of a test or of deliveries that are resent."""
    return _noted(verb, webhook, before={}, after={"deliveries": deliveries})


def disabled(before: Webhook, after: Webhook) -> Noted:
    """Return the line of a webhook that was disabled because its receiver failed for too long."""
    old, new = {"enabled": before.is_enabled}, {"enabled": after.is_enabled}
    return _noted("disable", after, before=old, after=new)


def _noted(
    verb: str, webhook: Webhook, *, before: Mapping[str, object], after: Mapping[str, object]
) -> Noted:
    change = Change(
        action=f"webhook.{verb}",
        target_type="webhook",
        target_id=to_public("wh", webhook.id),
        before=before,
        after=after,
    )
    return webhook, change


def _fields(webhook: Webhook) -> dict[str, object]:
    return {
        "url": webhook.url,
        "eventTypes": list(webhook.event_types),
        "description": webhook.description,
        "enabled": webhook.is_enabled,
    }
