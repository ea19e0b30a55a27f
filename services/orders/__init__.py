"""Orders: the marketplace order, its two parties, and the operations that move its money.

Owns the order's state and nothing of the money itself: the ledger books, the escrow moves, and
this context makes them agree, whatever crashes in between.
"""
