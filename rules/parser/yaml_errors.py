"""What is wrong with a YAML document, in plain words and at the line where the mistake is. Pure."""

from __future__ import annotations

import re
from typing import Final

from ruamel.yaml.error import MarkedYAMLError

from rules.parser.problems import Problems
from rules.tree import Position

_TAB: Final = "Indent with spaces: YAML allows no tabs there."
_QUOTE: Final = "Close the quote that is opened here, or double it inside the text."
_BRACES: Final = "Put quotes around a text that begins with {{."
_COLON: Final = "Write key: value, with a space after the colon; put quotes around a text that holds a colon."
_INDENT: Final = "Look at the indentation: what belongs together begins in the same column."
_ITEM: Final = "Begin the list on a line of its own, one - for each of its items."
_ESCAPE: Final = "Write \\\\ for a backslash in double quotes, or use single quotes."
_SIGN: Final = "Put quotes around a text that begins with this sign."
_BRACKET: Final = "Close every [ with ] and every { with }, with commas between."

_EXPLAINED: Final = (
    (r"found character '\\t'|found a tab|tab character", "There is a tab where only spaces may be.", _TAB),
    (r"found character", "A text cannot begin with this sign.", _SIGN),
    (r"quoted scalar.*(end of stream|document separator)", "A quote is not closed.", _QUOTE),
    (
        r"unknown escape character|expected escape sequence",
        "There is an escape that YAML does not know.",
        _ESCAPE,
    ),
    (r"flow (mapping|sequence|node)", "A bracket or brace is not closed, or a comma is missing.", _BRACKET),
    (r"mapping values are not allowed", "There is a colon where none may be.", _COLON),
    (r"could not find expected ':'|simple key", "This line has no colon, or no space after it.", _COLON),
    (
        r"sequence entries are not allowed|block sequence entries",
        "A list begins where none may begin.",
        _ITEM,
    ),
    (r"expected <block end>|expected the node content", "This does not fit what stands above it.", _INDENT),
    (r"block scalar", "The sign after | or > is not known.", "Write | alone, |- or >-, and the text below."),
    (
        r"anchor|alias",
        "YAML anchors and aliases (& and *) are not allowed.",
        "Put quotes around a text with this sign.",
    ),
    (r"tag", "YAML tags (!) are not allowed.", "Put quotes around a text that begins with !."),
    (r"directive|incompatible YAML", "YAML directives (%) are not allowed.", "Take the line out."),
)
_OPENED: Final = ("quoted scalar", "flow ", "simple key")
_KEY_BEFORE: Final = re.compile(r"\s*(- +)*[^\s:#'\"{\[][^:#'\"]*$")


def explain(error: MarkedYAMLError, text: str, problems: Problems) -> None:
    """Add the problem behind ``error``."""
    context, problem = str(error.context or ""), str(error.problem or "")
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and any(opened in context for opened in _OPENED):
        # What was never closed is the mistake, not the place where the reader noticed.
        mark = error.context_mark
    position = Position(1, 1) if mark is None else Position(mark.line + 1, mark.column + 1)
    lines = text.split("\n")
    said = f"{context} {problem}"
    sentence, hint = next(
        ((sentence, hint) for pattern, sentence, hint in _EXPLAINED if re.search(pattern, said, re.DOTALL)),
        ("The text is not well formed YAML.", _INDENT),
    )
    if hint is _COLON:
        position = _missing_colon(position, lines)
    line = lines[position.line - 1] if position.line <= len(lines) else ""
    if re.search(r":\s+\{\{|-\s+\{\{", line):
        sentence, hint = "A text that begins with {{ is read as a mapping.", _BRACES
    elif line.lstrip(" ").startswith("\t"):
        sentence, hint = _EXPLAINED[0][1], _TAB
    if problems.has(position.line):
        return  # What was found before is why the rest of the line makes no sense.
    problems.add(position, "yaml", sentence.replace("%", "%%"), hint.replace("%", "%%"))


def _missing_colon(position: Position, lines: list[str]) -> Position:
    """Return the line above when that one lacks its colon: YAML notices it only at the next colon."""
    line = lines[position.line - 1][: position.column - 1] if position.line <= len(lines) else ""
    if not _KEY_BEFORE.fullmatch(line):
        return position
    above = position.line - 1
    while above > 0 and (not lines[above - 1].strip() or lines[above - 1].lstrip().startswith("#")):
        above -= 1
    if above == 0 or re.search(r":(\s|$)", lines[above - 1]):
        return position
    written = lines[above - 1]
    return Position(above, len(written) - len(written.lstrip()) + 1)
