"""What runs a deployment: the embedded stack, and the operator's tools for any."""
