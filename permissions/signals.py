"""What others may listen to."""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

rights_changed: Final = Signal()
"""The rights that were granted to somebody on an environment are others now.

Sent once for each such change, in its transaction, by ``policy.set_rights`` and whatever is built on it.

Args:
    sender: ``User`` or ``Group``.
    principal: The user or group itself.
    environment: Where; ``None`` for the grants on all of them.
    before: The rights granted there until now, a ``frozenset[Right]``; groups of a user are not followed.
    after: The rights granted there from now on.
"""
