"""The lines of a log that nobody would want to read: long, coloured, with markup, control characters and broken UTF-8."""

from __future__ import annotations

from typing import Final

LINES: Final = 1_000_000
A_CHUNK: Final = 2_500
LONG_EVERY: Final = 10_007
LONG: Final = b"<b>" + b"y" * 60_000
SHOWN_OF_LONG: Final = "<b>" + "y" * 3997
RARE: Final = 765_431
KINDS: Final = (
    (b"plain %d", "plain %d"),
    (b"\x1b[1;31mred %d\x1b[0m and \x1b[48;5;27mon blue\x1b[m", "red %d and on blue"),
    (b"\x1b[38;2;1;200;3mgreen until it is reset %d", "green until it is reset %d"),
    (b"bell \x07 null \x00 delete \x7f %d\x1b[0m", "bell ^G null ^@ delete ^? %d"),
    (b"</span></div><script>document.title='executed'</script><img src=x onerror=alert(1)> &lt; %d",) * 2,
    (b"broken \xff\xfe %d \xc3", "broken \ufffd\ufffd %d \ufffd"),
    (b"1 %%\r50 %%\r100 %% %d", "100 %% %d"),
    ("ñandú 漢字 \U0001f680 \u202ereversed %d".encode(), "ñandú 漢字 \U0001f680 U+202Ereversed %d"),
    (b"\tcolumns\t\t%d  two  spaces ", "\tcolumns\t\t%d  two  spaces "),
    (b"%d\x1b]0;a title\x07\r", "%d"),
)


def written(number: int) -> bytes:
    """Return a line as a command writes it."""
    if number == RARE:
        return b"the N\x1b[32mee\x1b[0mdle"
    return LONG if number % LONG_EVERY == 0 else KINDS[number % len(KINDS)][0] % number


def shown(number: int) -> str:
    """Return the same line as its reader sees it."""
    if number == RARE:
        return "the Needle"
    if number % LONG_EVERY == 0:
        return SHOWN_OF_LONG
    said = KINDS[number % len(KINDS)][1]
    return (said if isinstance(said, str) else said.decode()) % number
