"""Operations: the work on an order that needs another service, from the command to its end."""
