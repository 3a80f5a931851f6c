"""Output as markup: what cannot be seen is written out, however much of it there is."""

import pytest

from jobs.monitor.ansi import render


def control(shown: str) -> str:
    return f'<span class="control">{shown}</span>'


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("a\x07b", f"a{control('^G')}b"),
        ("\x07\x07\x07", control("^G^G^G")),
        ("\x00" * 4096, control("^@×4096")),
        ("\x00" * 5 + "\x01\x02" + "\u202e" * 4, control("^@×5^A^BU+202E×4")),
        ("\x00a\x00", f"{control('^@')}a{control('^@')}"),
        ("\n\n\n\n", control("^J×4")),
        ("\x1b[31m" + "\x00" * 9 + "<", f'<span class="ansi-fg-red">{control("^@×9")}&lt;</span>'),
    ],
)
def test_control_characters_in_a_row_are_one_mark(text: str, markup: str) -> None:
    assert render(text) == markup
