"""Imported first by the process that programs are forked from: libraries without what none uses."""

from deploy.local.lean import import_without

# A command line; restarts when a file changes; coloured templates; a second guess of encodings.
import_without("httpx", "click", "pygments", "rich")
import_without("uvicorn", "watchfiles")
import_without("mako.exceptions", "pygments")
import_without("requests", "chardet")
