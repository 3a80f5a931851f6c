"""Encrypting secrets for the database: AES-GCM under keys derived from the operator's. Knows no Django.

A sealed value is tied to the row that holds it: moved to another name or scope it does not open.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_PURPOSE: Final = b"clarive-monitor secrets at rest, 1"


class CannotOpen(Exception):
    """None of the keys opens it: it was sealed under another one, for another row, or it was changed."""


class KeyRing:
    """Keys of which the first seals and every one opens."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Derive the keys.

        Args:
            keys: The operator's texts, at least one.
        """
        self._ciphers = [AESGCM(_derived(key)) for key in keys]

    def seal(self, value: str, identity: bytes) -> bytes:
        """Return ``value`` encrypted for the row ``identity``."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + self._ciphers[0].encrypt(nonce, value.encode(), identity)

    def open(self, sealed: bytes, identity: bytes) -> str:
        """Return the value that was sealed for the row ``identity``.

        Raises:
            CannotOpen: No key opens it here.
        """
        nonce, encrypted = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] == _VERSION and len(nonce) == _NONCE_BYTES:
            for cipher in self._ciphers:
                try:
                    return cipher.decrypt(nonce, encrypted, identity).decode()
                except (InvalidTag, ValueError):
                    continue
        raise CannotOpen


@lru_cache(maxsize=16)
def _derived(key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(key.encode())
