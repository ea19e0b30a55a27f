"""Written by `make client` from the OpenAPI documents of both APIs."""
