"""Natures: which technologies a set of paths holds, by patterns in the style of gitignore, of which exclude wins.

The patterns are pathspec's, with regular expressions of our own making in two places: what stands between two wildcards is
looked for once and never again (atomic groups), so that no pattern takes longer than a path's length squared; and a set such as
``[!a]`` matches no slash. What git would silently never match is a mistake here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pathspec import GitIgnoreSpec
from pathspec.pattern import RegexMatchResult
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

MOST_PATTERNS: Final = 1000
"""So many patterns a list may hold."""
LONGEST_PATTERN: Final = 500
LONGEST_PATH: Final = 4096

_ANY_BEGINNING: Final = "^(?:.+/)?"
_ANY_MIDDLE: Final = "(?:/.+)?"
_DIRECTORY: Final = "(?P<ps_d>/)"
_FLAGS: Final = "(?s)"
_STAR: Final = "[^/]*"
_PLAIN: Final = re.compile(r"[^/*?\[\]\\!#\s]+")


class Fault(StrEnum):
    """What is wrong with a pattern; the value is a sentence."""

    TOO_MANY = f"There are more than {MOST_PATTERNS} patterns."
    TOO_LONG = f"The pattern is longer than {LONGEST_PATTERN} characters."
    BLANK = "The pattern is blank."
    CONTROL = "The pattern holds a line break or another control character."
    BACKSLASH = "The pattern ends with a backslash that escapes nothing."
    BRACKET = "The pattern opens a [ that no ] closes."
    CLASS = "The pattern names a class such as [:alpha:]; write the characters, such as [a-z]."
    RANGE = "The pattern holds a range that runs backwards, such as [z-a]."
    NOTHING = "The pattern says no name: it would never match."


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with one pattern of a list.

    Attributes:
        line: Its place in the list, from 1.
        pattern: As written; a long one is cut.
        fault: What is wrong.
    """

    line: int
    pattern: str
    fault: Fault

    def __str__(self) -> str:
        """Return a sentence that names line and pattern."""
        return f"Line {self.line}, {self.pattern!r}: {self.fault.value}"


class PatternsInvalid(ValueError):
    """Patterns cannot be used; ``mistakes`` says which and why."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(" ".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


class TookTooLong(Exception):
    """The time given for matching was not enough."""


class Result(StrEnum):
    """What became of a path."""

    MATCHED = "matched"
    EXCLUDED = "excluded"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a path belongs to a nature.

    Attributes:
        result: What became of it.
        pattern: The pattern that decided; empty when none has anything to say of the path. Of an unmatched path it is one that
            begins with ``!``.
    """

    result: Result
    pattern: str = ""

    @property
    def matches(self) -> bool:
        """Whether the path belongs to the nature."""
        return self.result is Result.MATCHED


_until: Final[ContextVar[float | None]] = ContextVar("until", default=None)
"""When all has to be done, by the monotonic clock."""


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Let what compiles and matches patterns inside raise ``TookTooLong`` once the time is over; ``None`` sets no limit."""
    if seconds is None:
        yield
        return
    token = _until.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _until.reset(token)


def _look_at_the_clock() -> None:
    until = _until.get()
    if until is not None and time.monotonic() > until:
        raise TookTooLong


class _Faulty(ValueError):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class _Pattern(GitIgnoreSpecPattern):
    """A pattern of gitignore whose regular expression cannot run away."""

    __slots__ = ()

    @staticmethod
    def _translate_segment_glob(pattern: str, range_error: str) -> str:
        """Return the expression for what stands between two slashes."""
        first, *rest = _literals(pattern)
        if not rest:
            return first
        # The first place where a literal fits leaves most room for those that follow, so no other needs to be tried.
        middle = "".join(f"(?>[^/]*?{literal})" for literal in rest[:-1] if literal)
        return f"{first}{middle}{_STAR}{rest[-1]}"

    @classmethod
    def pattern_to_regex(cls, pattern: Any) -> tuple[Any, bool | None]:
        """Return the expression, which begins at the path's beginning, and whether it includes.

        Raises:
            TookTooLong: The time given is over; a thousand long patterns take seconds to compile.
        """
        _look_at_the_clock()
        regex, include = super().pattern_to_regex(pattern)
        return (regex, include) if regex is None else (_FLAGS + _bounded(regex), include)

    def match_file(self, file: Any) -> RegexMatchResult | None:
        """Match at the beginning; the library would look for one everywhere.

        Raises:
            TookTooLong: The time given is over; one path may meet a thousand patterns.
        """
        _look_at_the_clock()
        found = self.regex.match(file) if self.regex is not None else None
        return None if found is None else RegexMatchResult(found)


def _literals(segment: str) -> list[str]:
    """Return the expressions of what stands between the asterisks of a segment: before, between, after."""
    found = [""]
    place = 0
    while place < len(segment):
        char = segment[place]
        place += 1
        if char == "*":
            found.append("")
        elif char == "?":
            found[-1] += "[^/]"
        elif char == "[":
            expression, place = _set(segment, place)
            found[-1] += expression
        else:
            if char == "\\":
                if place == len(segment):
                    raise _Faulty(Fault.BACKSLASH)
                char, place = segment[place], place + 1
            found[-1] += re.escape(char)
    return found


def _set(segment: str, place: int) -> tuple[str, int]:
    """Return the expression of the set whose ``[`` stands before ``place``, and the place after its end."""
    negated = segment[place : place + 1] in {"!", "^"}
    begin = place + negated
    # A ] at the very beginning is one of the characters.
    end = segment.find("]", begin + 1)
    if end < 0:
        raise _Faulty(Fault.BRACKET)
    characters = segment[begin:end]
    if "[:" in characters:
        raise _Faulty(Fault.CLASS)
    escaped = re.sub(r"[\\\[\]^&~|]", r"\\\g<0>", characters)
    # Two hyphens in a row would be read as the beginning of something else one day.
    expression = f"(?!/)[{'^' if negated else ''}{escaped.replace('--', '-' + chr(92) + '-')}]"
    try:
        re.compile(expression)
    except re.error:
        raise _Faulty(Fault.RANGE) from None
    return expression, end + 1


def _bounded(regex: str) -> str:
    """Return an expression of the library with the places that ``**`` may stand for tried once each."""
    if not regex.startswith("^"):
        return f"^.*?{regex}"
    head, *middle = regex.split(_ANY_MIDDLE)
    if not middle:
        return regex
    if head.startswith(_ANY_BEGINNING):
        head = f"^(?:.+?/)??{head.removeprefix(_ANY_BEGINNING)}"
    parts = [f"(?>{head}(?=/))", *(f"(?>(?:/.+?)??{part}(?=/))" for part in middle[:-1])]
    return f"{''.join(parts)}{_ANY_MIDDLE}{middle[-1]}"


def mistakes(patterns: Sequence[str]) -> list[Mistake]:
    """Return what is wrong with a list of patterns, nothing when all can be used. Comments (``#``) may stand among them."""
    if len(patterns) > MOST_PATTERNS:
        return [Mistake(MOST_PATTERNS + 1, patterns[MOST_PATTERNS][:50], Fault.TOO_MANY)]
    found = ((line, pattern, _fault(pattern)) for line, pattern in enumerate(patterns, 1))
    return [Mistake(line, pattern[:50], fault) for line, pattern, fault in found if fault is not None]


def _fault(pattern: str) -> Fault | None:
    if len(pattern) > LONGEST_PATTERN:
        return Fault.TOO_LONG
    if not pattern.strip():
        return Fault.BLANK
    if any(ord(char) < 32 or ord(char) == 127 or "\ud800" <= char <= "\udfff" for char in pattern):
        return Fault.CONTROL
    try:
        compiled = _Pattern(pattern)
    except ValueError as error:
        cause = error if isinstance(error, _Faulty) else error.__cause__
        return cause.fault if isinstance(cause, _Faulty) else Fault.NOTHING
    is_comment = pattern.startswith("#")
    return Fault.NOTHING if compiled.include is None and not is_comment else None


class Matcher:
    """The patterns of one nature, compiled."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str] = ()) -> None:
        """Compile.

        Raises:
            PatternsInvalid: Something is wrong with them.
        """
        if wrong := [*mistakes(include), *mistakes(exclude)]:
            raise PatternsInvalid(wrong)
        self._include_lines, self._exclude_lines = tuple(include), tuple(exclude)
        self._include = GitIgnoreSpec.from_lines(include, _Pattern, backend="simple")
        self._exclude = GitIgnoreSpec.from_lines(exclude, _Pattern, backend="simple")

    def decide(self, path: str) -> Verdict:
        """Return whether ``path``, relative to the repository, belongs to the nature, and which pattern says so."""
        included = self._include.check_file(path)
        said = "" if included.index is None else self._include_lines[included.index]
        if not included.include:
            return Verdict(Result.UNMATCHED, said)
        excluded = self._exclude.check_file(path)
        if excluded.include and excluded.index is not None:
            return Verdict(Result.EXCLUDED, self._exclude_lines[excluded.index])
        return Verdict(Result.MATCHED, said)

    @property
    def including(self) -> list[tuple[str, str]]:
        """The patterns that include, each with its expression for a match alone."""
        return [
            (line.rstrip(), pattern.regex.pattern.removeprefix(_FLAGS).replace(_DIRECTORY, "/"))
            for line, pattern in zip(self._include_lines, self._include.patterns, strict=True)
            if pattern.include and pattern.regex is not None
        ]


class _Sieve:
    """Tells quickly that a path belongs to none of some natures; what it lets through may still belong to none.

    Most patterns are names (``Makefile``) or endings (``*.py``), which need no regular expression, and folders are few.
    """

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        names, endings, others = set(), set(), []
        for line, expression in (pair for matcher in matchers for pair in matcher.including):
            word = line.removesuffix("/")
            if _PLAIN.fullmatch(word):
                names.add(word)
            elif _PLAIN.fullmatch(word[1:]) and word[0] == "*":
                endings.add(word[1:])
            else:
                others.append(expression)
        self._names, self._endings = frozenset(names), tuple(endings)
        self._others = re.compile(_FLAGS + "|".join(others)).match if others else None
        self._folders: dict[str, bool] = {"": False}

    def lets_through(self, path: str) -> bool:
        """Return whether ``path`` has to be looked at."""
        folder, _slash, name = path.rpartition("/")
        if self._names_it(name) or (self._others is not None and self._others(path) is not None):
            return True
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = any(map(self._names_it, folder.split("/")))
        return known

    def _names_it(self, segment: str) -> bool:
        return segment in self._names or segment.endswith(self._endings)


def found(matchers: Mapping[str, Matcher], paths: Iterable[str], *, seconds: float | None = None) -> set[str]:
    """Return the codes of the natures that at least one of ``paths`` belongs to.

    Args:
        matchers: By the code of the nature.
        paths: Relative to the repository, as git writes them.
        seconds: How long it may take, ``None`` without limit.

    Raises:
        TookTooLong: It was not enough.
    """
    missing = {code: (_Sieve([matcher]), matcher) for code, matcher in matchers.items()}
    sieve = _Sieve(matchers.values())
    with within(seconds):
        for path in paths:
            _look_at_the_clock()
            if not sieve.lets_through(path):
                continue
            hits = [
                code
                for code, (own, matcher) in missing.items()
                if own.lets_through(path) and matcher.decide(path).matches
            ]
            for code in hits:
                del missing[code]
            if hits:
                sieve = _Sieve(matcher for _own, matcher in missing.values())
            if not missing:
                break
    return matchers.keys() - missing.keys()


def decide_all(
    matchers: Mapping[str, Matcher], paths: Iterable[str], *, seconds: float | None = None
) -> list[dict[str, Verdict]]:
    """Return for each of ``paths`` what every nature says of it.

    Raises:
        TookTooLong: ``seconds`` were not enough.
    """
    with within(seconds):
        return [{code: matcher.decide(path) for code, matcher in matchers.items()} for path in paths]
