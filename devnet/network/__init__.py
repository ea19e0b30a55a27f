"""The running ledger: queue, application of transactions, closing, journal."""
