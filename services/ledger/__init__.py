"""The ledger: double entry, append-only, two-phase transfers. Money is never created or lost."""
