"""Running suites: one that breaks takes nothing from the others, nor what it had measured itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

from bench.__main__ import Results, measure
from bench.figures import Figure, figure
from bench.place import Bench

NOWHERE = cast("Bench", None)


def suite(monkeypatch: pytest.MonkeyPatch, name: str, broken: BaseException | None = None) -> str:
    def figures(bench: Bench) -> Iterator[Figure]:
        yield figure(f"{name}: before", 0, [1.0])
        if broken is not None:
            raise broken
        yield figure(f"{name}: after", 0, [2.0])

    module = ModuleType(name)
    module.figures = figures  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, f"bench.suites.{name}", module)
    return name


def names(path: Path) -> list[str]:
    return [line["name"] for line in json.loads(path.read_text())]


def test_what_was_measured_is_kept_when_a_suite_breaks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([figure("x: of another time", 0, [1.0]).as_data()]))
    results = Results(path)
    suites = [suite(monkeypatch, "bad", ValueError("no room")), suite(monkeypatch, "good")]
    failed = measure(NOWHERE, suites, lambda found: results.keep(found, {"cpus": 2}))
    assert failed == {"bad": "ValueError: no room"}
    assert names(path) == ["x: of another time", "bad: before", "good: before", "good: after"]
    assert json.loads((tmp_path / "results-conditions.json").read_text()) == {"cpus": 2}


def test_who_interrupts_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results = Results(path)
    suites = [suite(monkeypatch, "slow", KeyboardInterrupt()), suite(monkeypatch, "never")]
    assert measure(NOWHERE, suites, lambda found: results.keep(found, {})) == {"slow": "interrupted"}
    assert names(path) == ["slow: before"]
