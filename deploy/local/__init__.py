"""The embedded stack: PostgreSQL, NATS, devnet, services and gateway under one supervisor.

It knows nothing of orders. Each part is a child process with its own log file; the tests start
their servers with the same code. A URL replaces an embedded part by one elsewhere.
"""
