"""`make demo`: one purchase on a real stack, shown step by step and then checked."""
