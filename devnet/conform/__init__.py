"""Replays recorded calls of the real escrow contract on this ledger's rules, and compares."""
