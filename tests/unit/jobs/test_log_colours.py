"""The colours of a log can be read in both themes: a contrast of 4.5 to 1, WCAG 2.2 AA, on every ground they stand on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

STYLES: Final = Path(__file__).parents[3] / "jobs/static/monitor"
COLOURS: Final = ("red", "green", "yellow", "blue", "magenta", "cyan", "black", "white")
LEAST: Final = 4.5
Colour = tuple[float, float, float]


def values(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", text))


def theme(name: str) -> dict[str, str]:
    """Return the variables that hold on the log in a theme."""
    base, log = ((STYLES / file).read_text() for file in ("base.css", "log.css"))
    found = values(base[base.index(":root {") : base.index("@media")])
    own = log[log.index(".log {") :]
    found |= values(own[: own.index("}")])
    if name == "dark":
        for text, begin in ((base, ':root[data-theme="dark"]'), (log, ':root[data-theme="dark"] .log')):
            block = text[text.index(begin) :]
            found |= values(block[: block.index("}")])
    return found


def colour(text: str) -> Colour:
    digits = text.strip().removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def mix(one: Colour, share: float, other: Colour) -> Colour:
    red, green, blue = (a * share + b * (1 - share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def luminance(of: Colour) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in of)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_every_colour_can_be_read(name: str) -> None:
    known = theme(name)
    of = {key: colour(value) for key, value in known.items() if re.fullmatch(r"#[0-9a-f]{3,6}", value)}
    ground = of["log-ground"]
    hit = mix(of["hit-now"], 0.14, ground)
    pairs = [
        (ink, ground_name, of[ink], under)
        for ink in (*COLOURS, "ink", "ink-soft", "bad")
        for ground_name, under in (
            ("log", ground), ("marked", of["attention-soft"]), ("comment", of["accent-soft"]), ("hit", hit),
            ("hover", mix(of["ink"], 0.04, ground)),
        )
    ]  # fmt: skip
    pairs += [("ink", f"on {back}", of["ink"], mix(of[back], 0.25, ground)) for back in COLOURS]
    pairs += [
        ("mark", "hit", of["hit-ink"], of["hit"]),
        ("mark", "present hit", colour("#17202c"), of["hit-now"]),
        ("inverse", "ink", ground, of["ink"]),
        *(("heading", each, of[each], of["sunken"]) for each in ("good", "bad", "running", "waiting", "attention", "ink-soft")),
    ]  # fmt: skip
    low = {(ink, under): round(contrast(one, two), 2) for ink, under, one, two in pairs}
    assert {pair: value for pair, value in low.items() if value < LEAST} == {}


def test_the_least_contrast_is_what_it_is_said_to_be() -> None:
    assert round(contrast((0, 0, 0), (1, 1, 1)), 1) == 21
    assert contrast(colour("#777"), colour("#fff")) < LEAST < contrast(colour("#767676"), colour("#fff"))
