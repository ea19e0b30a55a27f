"""The HTTP routes beside Stellar RPC: Trustless Work V1, friendbot, faucet, faults."""
