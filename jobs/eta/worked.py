"""How much work a job was, by what is recorded of it. Pure.

The same sums as in ``jobs.eta.forecast``, over what really happened: along the tree, ``parallel`` as its longest branch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from statistics import median

from jobs.eta.forecast import Seeing, Seen
from jobs.eta.shape import STEPS, Shape, Unit, units

Shapes = Mapping[str, tuple[Shape, ...]]


def spent(shapes: Shapes, seen: Seeing, now: datetime) -> float:
    """Return the seconds of work until ``now``; what nobody knows the length of counts as the others do in the middle."""
    met = [seen(unit.path) for step in STEPS for unit in units(shapes[step])]
    known = [record.seconds for record in met if record is not None and record.seconds is not None]
    usual = median(known) if known else 0.0

    def of(record: Seen) -> float:
        if record.has_ended:
            return usual if record.seconds is None else record.seconds
        began = record.began_at
        return 0.0 if began is None else max(0.0, (now - began).total_seconds() - record.stood)

    return _along(shapes, seen, of)


def left(shapes: Shapes, seen: Seeing, at: datetime) -> float | None:
    """Return the seconds of work from ``at`` on of a job that is over, ``None`` when nobody knows how long a part of it took."""

    def of(record: Seen) -> float:
        if record.seconds is None or record.ended_at is None:
            return 0.0
        # Where it stood for somebody within its time is not recorded; that is no more than all of its work.
        return min(max(0.0, record.seconds), max(0.0, (record.ended_at - at).total_seconds()))

    met = [seen(unit.path) for step in STEPS for unit in units(shapes[step]) if unit.key != "approval"]
    unknown = [record.ended_at for record in met if record is not None and record.seconds is None]
    if any(ended is not None and ended > at for ended in unknown):
        return None
    return _along(shapes, seen, of)


def _along(shapes: Shapes, seen: Seeing, seconds: Callable[[Seen], float]) -> float:
    """Add up what ``seconds`` says of each unit that is recorded."""

    def of(shape: Shape) -> float:
        if isinstance(shape, Unit):
            record = seen(shape.path)
            return seconds(record) if record is not None and shape.key != "approval" else 0.0
        parts = [of(part) for held in shape.blocks.values() for part in held]
        return max(parts, default=0.0) if shape.is_parallel else sum(parts)

    return sum(of(shape) for step in STEPS for shape in shapes[step])
