"""The party API: orders as the people and businesses in them see them. One resource per file."""
