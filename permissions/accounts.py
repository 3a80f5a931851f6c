"""What must stay true of accounts, whichever door changes them."""

from __future__ import annotations

from collections.abc import Collection

from permissions.models import User


def is_last_superuser(keys: Collection[int]) -> bool:
    """Return whether no active superuser would be left without these users. Ask it under the lock of ``locks``."""
    active = User.objects.filter(is_active=True, is_superuser=True)
    return active.filter(pk__in=keys).exists() and not active.exclude(pk__in=keys).exists()
