"""Variables of a job: merged from where they may be given, each with its visible origin. Pure.

Source: contract, section 6: rule < project < environment < project-in-environment < job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

ORIGINS: Final = ("rule", "project", "environment", "project_environment", "job")
"""From the weakest to the strongest."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A value and where it comes from, one of ``ORIGINS``."""

    value: Any
    origin: str


def merge(layers: Mapping[str, Mapping[str, Any]]) -> dict[str, Variable]:
    """Return the variables of all ``layers`` (by origin), the stronger origin winning name by name."""
    found: dict[str, Variable] = {}
    for origin in ORIGINS:
        for name, value in layers.get(origin, {}).items():
            found[name] = Variable(value, origin)
    return found


def given(layers: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Variable, ...]]:
    """Return everything that ``layers`` say of each variable, the strongest first: the others are overridden by it."""
    found: dict[str, tuple[Variable, ...]] = {}
    for origin in ORIGINS:
        for name, value in layers.get(origin, {}).items():
            found[name] = (Variable(value, origin), *found.get(name, ()))
    return found


def kept(merged: Mapping[str, Variable], hide: Callable[[Any], Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of a job as it keeps them: ``{name: {value, origin}}``.

    What the job itself was given and holds a secret has a third member, ``shown``: what answers say instead. They are read
    far more often than jobs are created, and by then no secret has to be opened.

    Args:
        merged: All of them.
        hide: Hides secrets in plain data.
    """
    found = {name: asdict(variable) for name, variable in merged.items()}
    for each in found.values():
        if each["origin"] == "job" and (shown := hide(each["value"])) != each["value"]:
            each["shown"] = shown
    return found
