"""Escrow: wallets and contracts on Stellar, and the commands that move money there."""
