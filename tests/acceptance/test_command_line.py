"""The command line client against a real web process with real workers, as a pipeline and an operator use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clarive_monitor.client.exits import Exit
from clarive_monitor.supervisor import servers, services
from clarive_monitor.supervisor.layout import Layout
from clarive_monitor.supervisor.processes import Child, stop_together
from jobs.models import Job
from permissions import tokens
from permissions.models import User
from tests.conftest import Workers
from tests.engine import at, ended, rule
from tests.factories import EnvironmentFactory, UserFactory
from tests.installation import free_port
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.workers]


@dataclass
class Shell:
    """Somebody at a shell: only the client's own variables, and a home of their own."""

    home: Path
    address: str
    variables: dict[str, str] = field(default_factory=dict)

    def start(self, *words: str) -> subprocess.Popen[str]:
        environment = {"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(self.home), "NO_PROXY": "127.0.0.1"}
        return subprocess.Popen(
            [sys.executable, "-m", "clarive_monitor.client", *words],
            env={**environment, **self.variables},
            cwd=services.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words: str, typed: str = "", code: int = Exit.OK) -> str:
        """Run a command, which must end with ``code``, and return what it wrote."""
        process = self.start(*words)
        out, err = process.communicate(typed, timeout=60)
        assert process.returncode == code, f"{words}: {process.returncode}\n{out}\n{err}"
        return out


@pytest.fixture
def shell(workers: Workers, tmp_path: Path) -> Iterator[Shell]:
    """An installation with an environment, and the shell of its administrator, who is not signed in yet."""
    EnvironmentFactory.create(code="DEV")
    UserFactory.create(is_superuser=True, username="root")
    port = free_port()
    environment = {**workers.environment, "CLARIVE_ENV_FILE": os.devnull, "NO_PROXY": "127.0.0.1"}
    web = Child(services.web(Layout(tmp_path), environment, host="127.0.0.1", port=port))
    web.start()
    try:
        workers.start_together(((("jobs",), 2), (("create", "daemon"), 1)))
        servers.wait_until_ready(web, 60)
        yield Shell(tmp_path / "home", f"http://127.0.0.1:{port}")
    finally:
        stop_together([web])


def newest() -> Job:
    return Job.objects.order_by("-id")[0]


def test_a_pipeline_and_an_operator_do_their_work(shell: Shell, tmp_path: Path) -> None:
    token = tokens.issue(User.objects.get(username="root"))
    shell.run("whoami", code=Exit.NOT_SIGNED_IN)
    assert "as root" in shell.run("login", shell.address, "--token-stdin", typed=f"{token}\n")
    _publishes(shell, tmp_path)
    _waits(shell)
    _watches(shell)
    _answers_a_trap(shell)
    _cancels(shell)


def _publishes(shell: Shell, tmp_path: Path) -> None:
    """Rules by ``apply`` and ``push``."""
    (tmp_path / "good.yaml").write_text(
        "name: good\nsteps:\n  RUN:\n    - run: printf '\\033[32mgreen\\033[0m\\n'\n"
    )
    document = tmp_path / "all.yaml"
    document.write_text("environments: [{code: QA}]\nrules: [{file: good.yaml}]\n")
    assert "created environment QA" in shell.run("apply", str(document), "--dry-run")
    assert shell.run("apply", str(document)) == "created environment QA\nrule good version 1\n"
    assert shell.run("apply", str(document)) == "nothing to change\n"
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: broken\nsteps:\n  RUN:\n    - lgo: x\n")
    assert f"{broken}:4:" in shell.run("rules", "validate", str(broken), code=Exit.USAGE)
    shell.run("rules", "push", str(broken), code=Exit.USAGE)


def _waits(shell: Shell) -> None:
    """Exit codes of jobs that end well and badly, and of those that are refused."""
    rule("bad", "RUN:\n  - run: exit 3")
    rule("strict", "CHECK:\n  - fail: Not on a Friday")
    made = json.loads(shell.run("jobs", "create", "--rule", "good", "-e", "DEV", "--wait", "--json"))
    assert made["status"] == "finished"
    assert shell.run("jobs", "log", made["name"], "--level", "info", "--search", "green") == "green\n"
    shell.run("jobs", "create", "--rule", "bad", "-e", "DEV", "--wait", code=Exit.JOB_ERROR)
    shell.run("jobs", "create", "--rule", "strict", "-e", "DEV", code=Exit.REFUSED)
    shell.run("jobs", "create", "--rule", "none", "-e", "DEV", code=Exit.USAGE)
    shell.run("jobs", "show", "99999", code=Exit.NOT_FOUND)
    shell.run("jobs", "cancel", made["name"], "--yes", code=Exit.REFUSED)
    listed = json.loads(shell.run("jobs", "list", "--status", "finished", "--json"))
    assert [job["id"] for job in listed] == [made["id"]]


def _watches(shell: Shell) -> None:
    """Every line once and in order while it is written."""
    rule("chatty", "RUN:\n  - run: for n in $(seq 1 20); do echo line $n; sleep 0.05; done")
    out = shell.run("jobs", "create", "--rule", "chatty", "-e", "DEV", "--watch")
    said = [line for line in out.splitlines() if line.startswith("line ")]
    assert said == [f"line {number}" for number in range(1, 21)]
    assert out.splitlines()[-1].startswith(f"{newest().name} is finished in END")


def _answers_a_trap(shell: Shell) -> None:
    """Watching in one shell while the trap is answered in another."""
    rule("trapped", "RUN:\n  - run: test -e there || { touch there; exit 1; }\n    on_error: trap")
    watching = shell.start("jobs", "create", "--rule", "trapped", "-e", "DEV", "--watch")
    try:
        until(lambda: newest().rule.slug == "trapped", 30, "the job")
        assert shell.run("jobs", "list", "--limit", "1", "--quiet") == f"{newest().pk}\n"
        job = at(newest(), "RUN", "trapped")
        shell.run("jobs", "wait", str(job.pk), "--timeout", "1s", code=Exit.TIMED_OUT)
        assert "retry" in shell.run("jobs", "actions", job.name).split()
        shell.run("jobs", "retry", job.name, "-m", "again")
        out, err = watching.communicate(timeout=30)
    finally:
        watching.kill()
    assert watching.returncode == Exit.OK, out + err
    assert "waits for trap" in err
    audit = json.loads(shell.run("jobs", "audit", job.name, "--json"))
    assert [(each["action"], each["source"]) for each in audit] == [("create", "api"), ("retry", "api")]


def _cancels(shell: Shell) -> None:
    """Watching a job that somebody cancels; a question that nobody answers; deleting."""
    rule("slow", "RUN:\n  - sleep: 60s")
    shell.run("jobs", "create", "--rule", "slow", "-e", "DEV")
    job = at(newest(), "RUN", "running")
    watching = shell.start("jobs", "watch", job.name)
    try:
        shell.run("jobs", "cancel", job.name, code=Exit.USAGE)
        assert "cancelled" in shell.run("jobs", "cancel", job.name, "-m", "wrong", "--yes")
        watching.communicate(timeout=30)
    finally:
        watching.kill()
    assert watching.returncode == Exit.JOB_STOPPED
    ended(job)
    shell.run("jobs", "delete", job.name, "--yes")
    shell.run("jobs", "show", str(job.pk), code=Exit.NOT_FOUND)
