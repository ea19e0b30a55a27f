"""Withdrawals: payments of a user's money, or of platform fees, to an account outside."""
