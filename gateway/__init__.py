"""The gateway: REST for clients, gRPC to the services.

It stores API keys, the audit lines of its own changes, and the request log.
"""
