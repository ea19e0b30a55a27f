"""Wallets and their sealed keys: the users', the platform's and the channel accounts'."""
