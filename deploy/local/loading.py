"""The first import of the process from which programs are forked: leaves unused libraries out."""

from deploy.local.lean import import_without

# Unused parts: a command line; restarts on file changes; coloured templates; guessed encodings.
import_without("httpx", "click", "pygments", "rich")
import_without("uvicorn", "watchfiles")
import_without("mako.exceptions", "pygments")
import_without("requests", "chardet")
