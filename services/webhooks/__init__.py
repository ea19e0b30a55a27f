"""Webhooks: sign the events of a marketplace and send them to the URLs that it has registered."""
