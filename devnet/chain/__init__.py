"""The classic ledger: entries, envelopes, validity, operations. Pure rules, no input or output."""
