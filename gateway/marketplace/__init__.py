"""The marketplace API: camelCase fields in one envelope, for the backend of a marketplace."""
