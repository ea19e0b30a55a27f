"""The microservice chassis: mechanisms without a business word, one per file."""
