"""The embedded stack: PostgreSQL, NATS, devnet, services and gateway under one supervisor.

Nothing here knows what an order is. Each part is a child process with a log file of its own; the
same pieces start what the tests need. Any embedded part can be replaced by one elsewhere, by URL.
"""
