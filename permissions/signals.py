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

sign_in_unlocked: Final = Signal()
"""Somebody who failed too often at signing in may try again.

Sent for each entry that was forgotten by decision, in the transaction that forgets it.

Args:
    sender: ``AccessAttempt`` of django-axes.
    username: The name that was tried, as it is counted; it need not be a user's.
    address: Where from.
"""

sessions_ended: Final = Signal()
"""All sessions of a user were ended, but perhaps the one that asked; sent in the transaction that ends them.

Args:
    sender: ``User``.
    user: Whose.
    others: Whether the session that asked for it stays.
"""
