"""`make house`: measures how simple the code is to change, against set limits."""
