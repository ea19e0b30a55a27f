"""Deadlines of orders: which are near or have passed, and the clock of a test marketplace."""
