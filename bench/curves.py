"""How costs grow with size, drawn and said in words: ``python -m bench.curves`` makes ``docs/images/growth.svg``.

Both axes of each small picture are logarithmic: what is constant lies flat, what is linear rises by as much as it goes on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "bench/results.json"
PICTURE: Final = ROOT / "docs/images/growth.svg"

_COLUMNS: Final = 3
_WIDTH, _HEIGHT = 300, 190
_LEFT, _TOP, _RIGHT, _BOTTOM = 16, 58, 16, 34
_DECADES: Final = 4.0
"""Powers of ten from the bottom of a picture to its top, the same in all, so that slopes can be compared."""

_CONSTANT_FACTOR: Final = 1.3
_WORDS: Final = ((0.12, "constant"), (0.35, "logarithmic"), (0.8, "less than linear"), (1.2, "linear"))
_STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.name { font-weight: 600 } .word { fill: #0550ae; font-weight: 600 } .small { font-size: 11px; fill: #57606a }
.paper { fill: #ffffff } .frame { fill: none; stroke: #d0d7de } .curve { fill: none; stroke: #0969da; stroke-width: 2 }
.dot { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .word { fill: #79c0ff } .small { fill: #9198a1 }
  .paper { fill: #0d1117 } .frame { stroke: #3d444d } .curve { stroke: #58a6ff } .dot { fill: #58a6ff }
}
"""

_UNIT: Final = re.compile(r" \[(\w+)\]$")
"""Of a figure that is no time: ``what it takes [MiB]``."""

Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """What one thing costs.

    Attributes:
        name: As in the table.
        points: Size and cost, the smallest first, at least two.
    """

    name: str
    points: tuple[Point, ...]

    @property
    def unit(self) -> str:
        """Of the cost."""
        found = _UNIT.search(self.name)
        return found[1] if found else "ms"

    @property
    def exponent(self) -> float:
        """The power of the size that the cost grows with, from the size before the last to the last.

        What is spent whatever the size hides how the rest grows, and less so the larger it is.
        """
        (size, cost), (larger, more) = self.points[-2:]
        return math.log(max(more, 1e-3) / max(cost, 1e-3)) / math.log(larger / size)

    @property
    def word(self) -> str:
        """How it grows."""
        if self.points[-1][1] <= _CONSTANT_FACTOR * self.points[0][1]:
            return "constant"
        return next((word for most, word in _WORDS if self.exponent <= most), "more than linear")


def curves(results: Iterable[Mapping[str, Any]]) -> list[Curve]:
    """Return what was measured at two sizes or more, in the order of the table.

    Args:
        results: As ``results.json`` has them.
    """
    found: dict[str, dict[int, float]] = {}
    for line in results:
        if line["size"]:
            found.setdefault(line["name"], {})[line["size"]] = line["median_ms"]
    return [Curve(name, tuple(sorted(costs.items()))) for name, costs in found.items() if len(costs) > 1]


def draw(found: Sequence[Curve]) -> str:
    """Return the picture of all curves, as SVG that is legible on light and dark pages."""
    rows = max(1, math.ceil(len(found) / _COLUMNS))
    width, height = _COLUMNS * _WIDTH, rows * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img">',
        "<title>How costs grow with size</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
    ]
    for number, curve in enumerate(found):
        row, column = divmod(number, _COLUMNS)
        parts.append(f'<g transform="translate({column * _WIDTH} {row * _HEIGHT})">{_panel(curve)}</g>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(curve: Curve) -> str:
    places = _places(curve.points)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    (smallest, least), (largest, most) = curve.points[0], curve.points[-1]
    bottom = _HEIGHT - _BOTTOM
    return "".join(
        (
            f'<text class="name" x="{_LEFT}" y="22">{escape(_short(curve.name))}</text>',
            f'<text class="word" x="{_LEFT}" y="40">{curve.word}</text>',
            f'<text class="small" x="{_WIDTH - _RIGHT}" y="40" text-anchor="end">'
            f"{_number(least)} → {_number(most)} {curve.unit}</text>",
            f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" height="{bottom - _TOP}"/>',
            f'<polyline class="curve" points="{line}"/>',
            *(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places),
            f'<text class="small" x="{_LEFT}" y="{bottom + 16}">{smallest:,}</text>',
            f'<text class="small" x="{_WIDTH - _RIGHT}" y="{bottom + 16}" text-anchor="end">{largest:,}</text>',
        )
    )


def _places(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Return where the points of a curve are; its first one stands at a quarter of the height."""
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    first, last = math.log10(points[0][0]), math.log10(points[-1][0])
    base = math.log10(max(points[0][1], 1e-3))
    found = []
    for size, cost in points:
        along = 0.03 + 0.94 * (math.log10(size) - first) / (last - first)
        above = 0.25 + (math.log10(max(cost, 1e-3)) - base) / _DECADES
        found.append((_LEFT + along * width, _TOP + (1 - min(max(above, 0.0), 1.0)) * height))
    return found


def _short(name: str) -> str:
    text = _UNIT.sub("", name).partition(", beside")[0]
    return text if len(text) <= 42 else text[:41] + "…"


def _number(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 10 else f"{cost:.1f}"


def main(results: Path = RESULTS, picture: Path = PICTURE) -> None:
    """Make the picture from kept results, and print the words."""
    found = curves(json.loads(results.read_text()))
    picture.write_text(draw(found))
    for curve in found:
        print(f"{curve.name}: {curve.word}")


if __name__ == "__main__":
    main()
