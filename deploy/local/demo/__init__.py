"""`make demo`: one purchase on a real stack, watched from every side, then checked."""
