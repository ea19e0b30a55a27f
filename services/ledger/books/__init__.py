"""Books: a marketplace's money and invariants in one snapshot, as they were last checked."""
