"""Operations: actions on an order that need another service, from the command to the end."""
