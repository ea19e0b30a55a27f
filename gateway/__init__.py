"""The gateway: REST outside, gRPC inside. Keeps no state but its API keys."""
