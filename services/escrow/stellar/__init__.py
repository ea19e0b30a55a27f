"""Stellar: the only room that knows XDR, RPC and the contract's ABI; behind `ports.py`."""
