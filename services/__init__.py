"""The four bounded contexts: orders calls ledger, escrow and disputes; nobody calls orders back.

They share no code but the chassis and the kernel, and no table at all.
"""
