"""Stellar: the only package that knows XDR, RPC and the contract's ABI, behind `ports.py`."""
