"""The ports to the services that orders calls, and their gRPC clients."""
