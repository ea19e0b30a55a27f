"""Contract calls: host, authorisation, and the two contracts' rules written in Python."""
