"""Programs that run deployments: the embedded stack, and the operator's tools for any of them."""
