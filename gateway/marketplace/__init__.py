"""The marketplace API: camelCase in one envelope, for a marketplace's backend."""
