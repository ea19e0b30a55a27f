"""Deposits: money that arrived from outside is booked once, to its user or to suspense."""
