"""The client by itself: without the product, soon there, and complete in words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete

from clarive_monitor.client.exits import ENDED, MEANINGS, STATUSES, Exit
from clarive_monitor.client.main import COMPLETING, PROGRAM, cli
from jobs import lifecycle
from tests.unit.client.conftest import Client
from tests.unit.client.stub import DROP, TOKEN, Answer, Stub, job, page

ROOT = Path(__file__).parents[3]
_ALONE = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {known}:
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
from clarive_monitor.client.main import main
try:
    main({words})
finally:
    print("httpx" in sys.modules, file=sys.stderr)
"""
_PRODUCT = {
    "celery",
    "demo",
    "django",
    "jobs",
    "permissions",
    "redis",
    "rest_framework",
    "rich",
    "ruamel",
    "rules",
}


def alone(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    code = _ALONE.format(known=_PRODUCT, words=list(words))
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", **variables}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60
    )


def test_it_works_where_the_product_is_not_installed(stub: Stub) -> None:
    stub.on("GET jobs/7/", Answer(job()))
    done = alone("jobs", "show", "7", CLARIVE_URL=stub.address, CLARIVE_TOKEN=TOKEN)
    assert (done.returncode, done.stderr) == (0, "True\n")
    assert "N.DEV-00000007" in done.stdout


def test_help_loads_nothing_for_the_network() -> None:
    done = alone("--help")
    assert (done.returncode, done.stderr) == (0, "False\n")
    assert "jobs" in done.stdout


def test_a_reader_that_goes_away_is_no_error_of_a_job(stub: Stub) -> None:
    stub.on("GET jobs/", page(*[job(number) for number in range(1, 200)]))
    words = f"{sys.executable} -m clarive_monitor.client jobs list --json; echo $? >&2"
    environment = {
        "PATH": os.environ["PATH"],
        "NO_PROXY": "127.0.0.1",
        "CLARIVE_URL": stub.address,
        "CLARIVE_TOKEN": TOKEN,
    }
    done = subprocess.run(
        ["bash", "-c", f"({words}) | head -1"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[\n", "141\n")


def test_statuses_are_those_of_the_product() -> None:
    assert set(STATUSES) == {status.value for status in lifecycle.Status}
    assert set(ENDED) == {status.value for status in lifecycle.ENDED}


def test_exit_codes_are_told_and_documented(bare: Client) -> None:
    told = bare("help", "exit-codes").out
    written = (ROOT / "docs" / "command-line.md").read_text()
    for code in Exit:
        assert re.search(rf"^ *{int(code)}  {re.escape(MEANINGS[code])}$", told, re.MULTILINE)
        assert f"| {int(code)} | {MEANINGS[code]} |" in written


def _commands(command: click.Command, names: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [names]
    return [found for name, inner in command.commands.items() for found in _commands(inner, (*names, name))]


def test_every_command_is_documented_and_has_help(bare: Client) -> None:
    written = (ROOT / "docs" / "command-line.md").read_text()
    for names in _commands(cli):
        assert bare("help", *names).out.startswith(f"Usage: clarive {' '.join(names)}")
        assert f"clarive {' '.join(names)}" in written
    assert bare("help", "nothing").code == Exit.USAGE
    assert bare("jobs", "lst").code == Exit.USAGE


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(bare: Client, shell: str) -> None:
    script = bare("completion", shell).out
    assert COMPLETING in script
    assert f"{shell}_complete" in script


def completed(words: list[str], typed: str) -> list[str]:
    found = BashComplete(cli, {}, PROGRAM, COMPLETING).get_completions(words, typed)
    return [item.value for item in found]


def test_words_are_completed_from_the_server(client: Client, stub: Stub) -> None:
    stub.on("GET jobs/", page(job(7), job(71)))
    stub.on(
        "GET environments/",
        page({"code": "DEV", "name": "Development"}, {"code": "PROD", "name": "Production"}),
    )
    stub.on("GET rules/", page({"slug": "web", "description": "The shop"}))
    assert completed(["jobs", "show"], "7") == ["7", "71"]
    assert "N.DEV-00000007" in completed(["jobs", "watch"], "N.")
    assert completed(["jobs", "list", "-e"], "P") == ["PROD"]
    assert completed(["jobs", "create", "--rule"], "") == ["web"]
    assert "cancel" in completed(["jobs"], "ca")


def test_completing_fails_in_silence(bare: Client, client: Client, stub: Stub) -> None:
    stub.on("GET jobs/", DROP)
    assert completed(["jobs", "show"], "7") == []
    assert len(stub.asked) == 1
