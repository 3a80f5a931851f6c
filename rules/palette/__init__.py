"""The palette: the operations of the product, one module per family. Importing a module registers its operations."""

from __future__ import annotations

from importlib import import_module
from typing import Final

FAMILIES: Final = (
    *("control", "variables", "files", "git", "processes", "timing", "approvals"),
    *("remote", "web", "mail", "jobs"),
)


def load() -> None:
    """Register every operation of the product."""
    for family in FAMILIES:
        import_module(f"rules.palette.{family}")
