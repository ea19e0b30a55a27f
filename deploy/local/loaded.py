"""Imported last by the process that programs are forked from.

What libraries keep of their first use is made here, once for all forks. A collection looks at each
object, and so copies the memory that forks share. What is there now is left out of all later
collections, those of the forks too.
"""

import ssl

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic_settings import BaseSettings

from chassis import garbage


def use_libraries() -> None:
    """Use what each program uses at its start."""
    key = Ed25519PrivateKey.generate()
    key.public_key().verify(key.sign(b""), b"")
    ssl.create_default_context()
    BaseSettings()
    uvloop.new_event_loop().close()


use_libraries()
garbage.settle()
