"""A local Stellar network and Trustless Work API in one process, for development and tests.

What is real: the XDR on the wire, transaction hashes and ed25519 signatures, sequence numbers,
time bounds, fees, sponsored reserves, Soroban authorisation entries with nonces, footprints,
atomic application, `TransactionResult`, `TransactionMeta` v4, asset events, and a ledger that
survives `kill -9`.

What is not: **no wasm runs here**, unless `DEVNET_ESCROW_WASM` names the escrow contract's. The
rules of the escrow contract and of the asset contract are written in Python (`devnet/soroban/`),
and `make conform` compares them with what the real contract answered (`devnet/conform/`). There is
no consensus, and instructions are not metered.

Nothing in Orchestrator imports this package; it is reached over HTTP like the real network.
"""
