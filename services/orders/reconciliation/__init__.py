"""Reconciliation: the comparison of ledger and chain, account by account."""
