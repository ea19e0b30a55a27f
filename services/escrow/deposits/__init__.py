"""Deposits: money from outside, found on the chain and reported once."""
