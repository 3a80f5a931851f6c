"""Preparation: each step is done once, and again when what it was done for has changed."""

import json
from pathlib import Path

import pytest

from clarive_monitor.configuration import read
from clarive_monitor.supervisor import preparation
from clarive_monitor.supervisor.preparation import Preparation
from tests.unit.supervisor_stubs import QuietRequests


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Steps":
    return Steps(tmp_path, monkeypatch)


class Steps:
    """A preparation whose commands are only counted, on a checkout and a database of the test's own."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.base = tmp_path / "checkout"
        (self.base / "jobs" / "migrations").mkdir(parents=True)
        (self.base / "requirements.txt").write_text("django==5.2\n")
        self.home = tmp_path / "home"
        self.home.mkdir()
        self.manifest = self.home / "static" / "staticfiles.json"
        self.applied = [("jobs", "0001_initial", "2026-01-01")]
        self.ran: list[str] = []
        monkeypatch.setattr(preparation, "BASE_DIR", self.base)
        monkeypatch.setattr(preparation, "_check_database", lambda _url: None)
        monkeypatch.setattr(preparation, "_applied", lambda _url: list(self.applied))
        monkeypatch.setattr(Preparation, "_manage", self._manage)

    def start(self) -> Preparation:
        return Preparation(read({"CLARIVE_HOME": str(self.home)}), {}, QuietRequests())

    def _manage(self, *arguments: str) -> None:
        self.ran.append(arguments[0])
        if arguments[0] == "collectstatic":
            self.manifest.parent.mkdir(exist_ok=True)
            self.manifest.touch()


def test_migrations_run_once_and_again_for_new_code_or_another_database(steps: Steps) -> None:
    steps.start().migrate()
    steps.start().migrate()
    assert steps.ran == ["migrate"]
    (steps.base / "jobs" / "migrations" / "0002_more.py").write_text("")
    steps.start().migrate()
    assert steps.ran == ["migrate"] * 2
    steps.applied.clear()
    steps.start().migrate()
    assert steps.ran == ["migrate"] * 3


def test_a_step_that_failed_is_done_again(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_preparation: Preparation, *_arguments: str) -> None:
        raise preparation.PreparationFailed

    with monkeypatch.context() as patched:
        patched.setattr(Preparation, "_manage", fail)
        with pytest.raises(preparation.PreparationFailed):
            steps.start().migrate()
    steps.start().migrate()
    assert steps.ran == ["migrate"]


def test_static_files_are_collected_again_when_their_folder_is_gone(steps: Steps) -> None:
    steps.start().collect_static()
    steps.start().collect_static()
    assert steps.ran == ["collectstatic"]
    steps.manifest.unlink()
    steps.start().collect_static()
    assert steps.ran == ["collectstatic"] * 2


def test_the_set_up_runs_once_a_database(steps: Steps) -> None:
    command = steps.base / "permissions" / "management" / "commands" / "clarive_setup.py"
    steps.start().set_up()
    assert steps.ran == []
    command.parent.mkdir(parents=True)
    command.touch()
    steps.start().set_up()
    steps.start().set_up()
    assert steps.ran == ["clarive_setup"]
    steps.applied[0] = ("jobs", "0001_initial", "2026-02-02")
    steps.start().set_up()
    assert steps.ran == ["clarive_setup"] * 2


def test_damaged_marks_count_as_none(steps: Steps) -> None:
    (steps.home / "prepared.json").write_text("{")
    steps.start().migrate()
    assert steps.ran == ["migrate"]
    assert "migrate" in json.loads((steps.home / "prepared.json").read_text())
