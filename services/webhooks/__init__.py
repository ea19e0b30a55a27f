"""Webhooks: events of a marketplace, signed and sent to URLs that it has registered."""
