"""The version of the project, defined once: pyproject.toml, OpenAPI and health read it here."""

VERSION = "0.1.0"
