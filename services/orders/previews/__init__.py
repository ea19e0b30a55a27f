"""Previews: what a command would do, found out by the command's own code, with nothing written."""
