"""What others may listen to."""

from __future__ import annotations

from django.dispatch import Signal

rights_changed = Signal()
"""Sent once when the rights of somebody on an environment are others than before, in the same transaction.

Keyword arguments: ``principal``, a user or group; ``environment``, ``None`` for all; ``before`` and ``after``, sets of rights.
"""
