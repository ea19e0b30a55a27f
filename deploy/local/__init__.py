"""The embedded stack: PostgreSQL, NATS, devnet, services and gateway under one supervisor.

It has no code about orders. Each part is a child process with its own log file. The tests start
their servers with the same code. A URL in the settings replaces an embedded part by one elsewhere.
"""
