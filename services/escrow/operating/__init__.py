"""What operators do: look at what has stopped, rule on it, stop or limit flows of money."""
