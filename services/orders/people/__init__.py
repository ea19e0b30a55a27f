"""The users of the marketplaces, and each side's list of its orders."""
