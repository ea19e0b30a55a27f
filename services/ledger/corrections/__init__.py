"""Corrections: one operator proposes a transfer, another approves it, and it is posted once."""
