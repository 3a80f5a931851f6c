"""The operations that a rule may use, one module per family."""

from __future__ import annotations

from importlib import import_module
from typing import Final

FAMILIES: Final = ("control", "variables", "files", "git", "processes", "timing")
"""Modules of this package that register operations when they are imported."""


def load() -> None:
    """Import every family, so that its operations are in ``rules.engine.registry.registry``."""
    for family in FAMILIES:
        import_module(f"{__name__}.{family}")
