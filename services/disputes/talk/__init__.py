"""Messages and notes: the texts that both sides and support write about a case."""
