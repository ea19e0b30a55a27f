"""The ledger: double-entry, append-only, with two-phase transfers. No money appears or vanishes."""
