"""The ledger: double entry, append-only, two-phase transfers. Money is neither made nor lost."""
