"""Disputes: the cases on which support works. This service records decisions; orders pays them."""
