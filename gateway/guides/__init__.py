"""The guides: the pages of `docs/` for a browser, with search, without the internet."""
