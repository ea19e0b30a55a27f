"""The microservice chassis: technical mechanisms without business terms, one per file."""
