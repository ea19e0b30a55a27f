"""The users of the marketplaces, and the orders as each side lists them."""
