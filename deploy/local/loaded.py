"""Imported last by the process that programs are forked from.

A collection looks at each object, and so copies the memory that forks share. What is there now is
left out of all later collections, those of the forks too.
"""

from chassis import garbage

garbage.settle()
