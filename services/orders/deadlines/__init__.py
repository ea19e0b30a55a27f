"""Deadlines of orders, a marketplace's settings, and the clocks of test marketplaces."""
