"""Commands act, too: what they change in the configuration is in the audit, also what Django's own change."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from jobs.acting import COMMAND, acting, acting_as
from jobs.models import AuditRecord

pytestmark = pytest.mark.django_db


def test_who_acts_within_a_block_is_who_acted_before_it_afterwards() -> None:
    with acting_as(COMMAND):
        with acting_as(None):
            assert acting.get() is None
        assert acting.get() == COMMAND
    assert acting.get() is None


@pytest.mark.parametrize("name", ["createsuperuser", "create_token"])
def test_commands_of_django_and_of_other_apps_are_recorded_by_the_entry_point(name: str) -> None:
    """``manage.py`` says who acts before any command runs."""
    source = (
        "import sys, jobs.acting as a, django.core.management as m\n"
        "m.execute_from_command_line = lambda argv: print(a.acting.get(), argv[1])\n"
        f"sys.argv = ['manage.py', {name!r}]\nimport manage\nmanage.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.cwd(),
        env=os.environ,
    )
    assert done.stdout == f"Author(name='', source='command', address='') {name}\n"


def test_createsuperuser_is_recorded() -> None:
    with acting_as(COMMAND):
        call_command("createsuperuser", username="eve", email="", interactive=False, stdout=io.StringIO())
    record = AuditRecord.objects.get()
    assert (record.action, record.source) == ("create_user", "command")
    assert "is_superuser true" in record.comment
