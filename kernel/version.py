"""The version of the project, said once: pyproject.toml, OpenAPI and health read it here."""

VERSION = "0.1.0"
