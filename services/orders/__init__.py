"""Orders: the marketplace order, its two parties, and the operations that move its money.

This context owns the order's state. The ledger books the money and the escrow service moves it on
chain. This context brings both into agreement with the order, also after a crash.
"""
