"""The document of the state machine follows the table."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from jobs import diagrams
from jobs.lifecycle import TRANSITIONS

ROOT = Path(__file__).parents[3]


def test_the_document_in_the_repository_is_the_table_s() -> None:
    assert (ROOT / "docs" / "state_machine.md").read_text() == diagrams.document()


def test_every_row_of_the_table_is_in_the_document() -> None:
    rows = [line for line in diagrams.document().splitlines() if line.startswith("| ")]
    assert len(rows) == len(TRANSITIONS) + 2


def test_the_check_fails_when_the_document_is_stale(tmp_path: Path, settings: Settings) -> None:
    settings.BASE_DIR = tmp_path
    with pytest.raises(CommandError, match="stale"):
        call_command("state_diagram", "--check")
    call_command("state_diagram")
    call_command("state_diagram", "--check")
    (tmp_path / "docs" / "state_machine.md").write_text("edited by hand")
    with pytest.raises(CommandError, match="stale"):
        call_command("state_diagram", "--check")
