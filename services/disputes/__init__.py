"""Disputes: the case file support works on. It decides; orders pays."""
