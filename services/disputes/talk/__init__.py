"""What is written about a case: messages of both sides and support, and notes of support."""
