"""Previews: the command's own code computes what the command would do, without writing."""
