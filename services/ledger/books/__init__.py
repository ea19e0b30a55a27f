"""Books: the last check of a marketplace's money and invariants, in one snapshot."""
