"""Stellar RPC: JSON-RPC 2.0 requests in, the documented response objects out."""
