"""Files in the job's directory, and what the world can do to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Completed, Failed, StepOutcome
from rules.parser import parse
from tests.unit.rules.memory_host import MemoryHost, registry

REGISTRY = registry()


def write(directory: Path, path: str, *, on_error: str = "fail") -> StepOutcome:
    source = (
        f"name: test\nsteps:\n  RUN:\n    - write: {{path: '{path}', content: 'hello {{{{ environment }}}}'}}\n"
        f"      on_error: {on_error}\n"
    )
    host = MemoryHost()
    host.directory = directory
    return run_step(parse(source, REGISTRY), "RUN", host, Stash(), registry=REGISTRY)


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    assert write(tmp_path, "a/b/c.txt") == Completed()
    assert (tmp_path / "a/b/c.txt").read_text() == "hello DEV"


@pytest.mark.parametrize("path", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "link/out.txt", " "])
def test_nothing_is_written_outside_of_the_directory(tmp_path: Path, path: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to(tmp_path)
    outcome = write(home, path)
    assert isinstance(outcome, Failed)
    assert list(tmp_path.rglob("out.txt")) == []


def test_a_pipe_is_refused_instead_of_waiting_for_its_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    outcome = write(tmp_path, "pipe")
    assert isinstance(outcome, Failed)
    assert "no regular file" in outcome.message


def test_links_in_a_circle_are_a_failure_of_the_operation(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert isinstance(write(tmp_path, "a/x"), Failed)


def test_an_error_of_the_operating_system_can_be_dealt_with_by_the_rule(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = write(tmp_path, "file/below.txt")
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith(("Not a directory", "File exists"))
    assert write(tmp_path, "file/below.txt", on_error="ignore") == Completed()
    assert isinstance(write(tmp_path, "n" * 300), Failed)
