"""Mistakes in documents: each with its file and line, all of them reported together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.exceptions import JobError


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something is written.

    Attributes:
        file: As the operator named it; ``<stdin>`` for standard input.
        line: From 1.
    """

    file: str
    line: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake.

    Attributes:
        place: Where.
        message: An English sentence, never with a secret in it.
        hint: What to write instead, or empty.
    """

    place: Place
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Return ``file:line: sentence``, as editors understand it."""
        text = f"{self.place.file}:{self.place.line}: {self.message}"
        return f"{text} {self.hint}" if self.hint else text


class ConfigurationInvalid(JobError):
    """Documents cannot be applied; nothing was changed. ``problems`` holds all, in the order of lines."""

    code = "configuration_invalid"

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Say how many mistakes there are, and each on a line."""
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__("\n".join([f"{count}, nothing was changed:", *map(str, problems)]))
        self.problems = tuple(problems)


class Problems:
    """Collects mistakes while reading goes on."""

    def __init__(self) -> None:
        """Begin without any."""
        self._found: list[Problem] = []

    def __len__(self) -> int:
        """Return how many there are; without any this is false."""
        return len(self._found)

    def add(self, place: Place, message: str, hint: str = "") -> None:
        """Note a mistake."""
        self._found.append(Problem(place, message, hint))

    def forget_from(self, count: int) -> None:
        """Keep the first ``count`` and forget what was noted after them."""
        del self._found[count:]

    def raise_if_any(self) -> None:
        """Do nothing while all is well.

        Raises:
            ConfigurationInvalid: Something was noted.
        """
        if self._found:
            raise ConfigurationInvalid(sorted(set(self._found)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint naming the known word nearest to ``word``, else all known words when they are few."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]}?"
    return f"Known are: {', '.join(words)}." if 0 < len(words) <= 12 else ""
