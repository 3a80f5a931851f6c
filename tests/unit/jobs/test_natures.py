"""Natures: patterns in the style of gitignore, of which exclude wins."""

from __future__ import annotations

import itertools
import random
import subprocess
import time
from pathlib import Path

import pytest

from jobs.natures import (
    LONGEST_PATTERN,
    MOST_PATTERNS,
    Fault,
    Matcher,
    PatternsInvalid,
    Result,
    TookTooLong,
    decide_all,
    found,
    mistakes,
)


@pytest.mark.parametrize(
    ("include", "exclude", "path", "result", "by"),
    [
        (["*.py"], [], "a/b.py", "matched", "*.py"),
        (["*.py"], [], "a.py/readme", "matched", "*.py"),
        (["*.py"], [], "b.pyc", "unmatched", ""),
        (["*.py"], ["tests/"], "tests/b.py", "excluded", "tests/"),
        (["*.py"], ["tests/"], "tests", "unmatched", ""),
        (["/src"], [], "lib/src/a", "unmatched", ""),
        (["src/**/*.sql"], [], "src/a/b/c.sql", "matched", "src/**/*.sql"),
        (["src/**/*.sql"], [], "src/c.sql", "matched", "src/**/*.sql"),
        (["*.py", "!old_*"], [], "old_a.py", "unmatched", "!old_*"),
        (["*.py"], ["tests/", "!tests/kept.py"], "tests/kept.py", "matched", "*.py"),
        (["# only a comment"], [], "# only a comment", "unmatched", ""),
        (["[!a]b"], [], "x/b", "unmatched", ""),
        (["a[+-9]b"], [], "a/b", "unmatched", ""),
        (["x[[]y"], [], "x[y", "matched", "x[[]y"),
        (["a**b"], [], "axxb", "matched", "a**b"),
    ],
)
def test_a_path_is_decided_by_a_pattern(
    include: list[str], exclude: list[str], path: str, result: str, by: str
) -> None:
    verdict = Matcher(include, exclude).decide(path)
    assert (verdict.result, verdict.pattern) == (Result(result), by)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("", Fault.BLANK),
        ("  ", Fault.BLANK),
        ("a\nb", Fault.CONTROL),
        ("a\0", Fault.CONTROL),
        ("\ud800", Fault.CONTROL),
        ("a" * (LONGEST_PATTERN + 1), Fault.TOO_LONG),
        ("a\\", Fault.BACKSLASH),
        ("src/[ab", Fault.BRACKET),
        ("[[:alpha:]]", Fault.CLASS),
        ("[z-a]", Fault.RANGE),
        ("/", Fault.NOTHING),
        ("!", Fault.NOTHING),
    ],
)
def test_a_pattern_that_cannot_be_used_is_named_with_its_line(pattern: str, fault: Fault) -> None:
    (mistake,) = mistakes(["*.py", pattern])
    assert (mistake.line, mistake.pattern, mistake.fault) == (2, pattern[:50], fault)
    with pytest.raises(PatternsInvalid, match="Line 2"):
        Matcher(["*.py", pattern])


def test_a_list_is_bounded() -> None:
    assert mistakes(["a"] * MOST_PATTERNS) == []
    (mistake,) = mistakes(["a"] * (MOST_PATTERNS + 1))
    assert mistake.fault is Fault.TOO_MANY


def test_it_decides_as_git_does(tmp_path: Path) -> None:
    """Against git itself: random patterns over a small alphabet, so that many fit."""
    chance = random.Random(7)
    words = ["a", "b", "ab", "*", "a*", "*b", "?", "**", "[ab]", "[!a]", "a*b*a", "*a*"]
    paths = [
        "/".join(parts) for n in (1, 2, 3, 4) for parts in itertools.product(("a", "b", "aba"), repeat=n)
    ]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for _ in range(60):
        pattern = "/".join(chance.choice(words) for _ in range(chance.randrange(1, 5)))
        pattern = chance.choice(("", "/")) + pattern
        (tmp_path / ".git/info/exclude").write_text(f"{pattern}\n")
        said = subprocess.run(
            ["git", "-C", str(tmp_path), "check-ignore", "--no-index", "--stdin"],
            input="\n".join(paths), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert said.stderr == ""
        matcher = Matcher([pattern])
        ours = {path for path in paths if matcher.decide(path).matches}
        assert ours == set(said.stdout.splitlines()), pattern
        assert found({"n": matcher}, paths) == ({"n"} if ours else set()), pattern


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 200 + "b", "a" * 4000),
        ("**/a/" * 90 + "b", "a/" * 2000 + "c"),
        ("**/*a*a*/" * 40 + "b", ("a" * 60 + "/") * 60 + "c"),
        ("a/**/" * 70 + "*a*a*a*a*ab", "a/" * 1000 + "a" * 2000),
        ("?*" * 200 + "x", "a" * 4000),
    ],
)
def test_no_pattern_runs_away(pattern: str, path: str) -> None:
    begun = time.perf_counter()
    assert not Matcher([pattern], [pattern]).decide(path).matches
    assert time.perf_counter() - begun < 2


def test_many_natures_are_found_in_many_paths() -> None:
    paths = [f"d{number % 50}/e{number % 7}/file{number}.x{number % 90}" for number in range(20_000)]
    matchers = {f"n{number}": Matcher([f"*.x{number}", f"src{number}/**/a"], ["e3/"]) for number in range(50)}
    matchers |= {"none": Matcher(["*.none"]), "names": Matcher(["e3/"]), "out": Matcher(["*.x1"], ["*"])}
    begun = time.perf_counter()
    assert found(matchers, paths) == {*matchers} - {"none", "out"}
    assert time.perf_counter() - begun < 10


def test_the_time_is_bounded() -> None:
    with pytest.raises(TookTooLong):
        decide_all({"n": Matcher(["*.py"])}, ["a"] * 10, seconds=0)
    with pytest.raises(TookTooLong):
        found({"n": Matcher(["*.py"])}, ["a"] * 10, seconds=0)


def test_one_path_and_very_many_patterns_stay_within_the_time() -> None:
    matcher = Matcher([f"*{'?' * 480}b*{number}" for number in range(300)])
    begun = time.monotonic()
    with pytest.raises(TookTooLong):
        decide_all({"n": matcher}, ["a" * 4096], seconds=0.1)
    assert time.monotonic() - begun < 0.6
    assert decide_all({"n": Matcher(["*.py"])}, ["a.py"])[0]["n"].matches, "no limit is left behind"
