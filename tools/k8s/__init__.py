"""Checks of deploy/k8s, before it is applied."""
