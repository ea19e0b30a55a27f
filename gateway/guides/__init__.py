"""The guides: the pages of `docs/` for a browser, with search. They work without the internet."""
