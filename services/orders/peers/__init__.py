"""The other services, as orders asks them."""
