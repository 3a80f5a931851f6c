"""Hashes of passwords that cost nothing: a run of all tests makes hundreds, and hardly any is about how they are made."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """The product's own, with one round in the place of a million."""

    iterations = 1


def quick(hashers: list[str]) -> list[str]:
    """Return the names of hashers, the product's own one exchanged for the quick one."""
    return [_QUICK if name == _OWN else name for name in hashers]


_OWN: Final = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
_QUICK: Final = "tests.hashing.QuickHasher"
