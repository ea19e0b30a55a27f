"""Runs the wasm of a contract in the devnet's host, for comparison with the devnet's own rules."""
