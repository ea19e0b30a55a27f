"""Withdrawals: a user's money leaves for an account outside."""
