"""The last import of the process from which programs are forked.

Libraries cache objects at their first use, so each is used once here, before any fork. A garbage
collection writes to every object that it scans, and so copies the memory that forks share. All
objects that exist now are therefore excluded from later collections, also in the forks.
"""

import ssl

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic_settings import BaseSettings

from chassis import garbage


def use_libraries() -> None:
    """Use the libraries that every program uses at its start."""
    key = Ed25519PrivateKey.generate()
    key.public_key().verify(key.sign(b""), b"")
    ssl.create_default_context()
    BaseSettings()
    uvloop.new_event_loop().close()


use_libraries()
garbage.settle()
