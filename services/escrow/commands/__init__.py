"""Commands: accepted once, stored with their steps, and waited for."""
