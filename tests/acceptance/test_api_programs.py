"""Section 10 as other programs use it: a client generated from the description, and the script for pipelines, for real."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.utils import timezone

from demo.repository import make_repository
from jobs.actions.base import actions
from jobs.api.schema.document import document
from jobs.audit import Actor
from jobs.models import Job, Project
from permissions import tokens
from permissions.models import User
from tests.conftest import Workers
from tests.engine import at, rule
from tests.factories import EnvironmentFactory, ProjectFactory, UserFactory, user_with
from tests.repositories import git
from tests.web import HOST, Web, web_process

SCRIPT = Path(__file__).parents[2] / "docs" / "ci" / "deploy.sh"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.workers, pytest.mark.heavy]


@pytest.fixture
def web(workers: Workers, tmp_path: Path) -> Iterator[Web]:
    """The web process, workers and the clock."""
    workers.start_together([(("jobs",), 1), (("daemon", "create"), 1)])
    with web_process(tmp_path) as web:
        yield web


@pytest.fixture
def shop(transactional_db: None, tmp_path: Path) -> Project:
    """The demo's project, with a rule that tests a revision and waits for an approval before PROD."""
    make_repository(tmp_path / "shop.git")
    rule(
        "shop-test",
        f"""
        PRE:
          - git: {{directory: source}}
          - run: cd source && {sys.executable} -m unittest
          - approval: {{approvers: ["user:quique"]}}
            when: environment == "PROD"
        RUN:
          - run: cat source/VERSION
        """,
    )
    return ProjectFactory.create(code="shop", repository=str(tmp_path / "shop.git"))


def test_programs_deploy(web: Web, shop: Project, tmp_path: Path) -> None:
    """One installation for both: starting it takes longer than they do."""
    dev, prod = EnvironmentFactory.create(code="DEV"), EnvironmentFactory.create(code="PROD")
    ana = user_with("view_monitor", "create", username="ana")
    quique = user_with("view_monitor", environments=[prod], username="quique")
    address, token = f"http://{HOST}:{web.port}", tokens.issue(ana)
    the_script_fails_when_the_job_fails(address, token, shop, tmp_path)
    the_generated_client_tells_the_story(address, token, tokens.issue(quique), tmp_path)
    the_script_says_how_a_job_ended_that_people_decided_about(address, token, quique)
    assert {job.environment for job in Job.objects.all()} == {dev, prod}


def the_script_fails_when_the_job_fails(address: str, token: str, shop: Project, folder: Path) -> None:
    tree = folder / "tree"
    git("clone", "--quiet", shop.repository, str(tree), cwd=folder)
    for tag, commit in (("v2.0.0", "v1.2.0"), ("v2.0.1", "v1.3.0-broken")):
        git("tag", tag, commit, cwd=tree)
    git("push", "--quiet", "origin", "v2.0.0", "v2.0.1", cwd=tree)

    def deploy(ref: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", str(SCRIPT), "shop-test", "DEV", "shop", ref],
            env={"PATH": os.environ["PATH"], "CLARIVE_URL": address, "CLARIVE_TOKEN": token, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    done = deploy("v2.0.0", CLARIVE_KEY="1")
    assert done.returncode == 0, done.stderr
    assert "END / finished" in done.stdout
    job = Job.objects.get()
    assert f"{job.name}: {address}/jobs/{job.pk}/" in done.stdout
    # The pipeline is run again: the same job, which has ended.
    assert deploy("v2.0.0", CLARIVE_KEY="1").returncode == 0
    assert Job.objects.count() == 1
    failed = deploy("v2.0.1")
    assert failed.returncode == 1, failed.stdout
    assert "END / error" in failed.stdout
    assert "FAILED" in failed.stderr
    refused = deploy("v9.9.9")
    assert refused.returncode == 2
    assert "No job was created (400)" in refused.stderr
    assert deploy("v2.0.0", CLARIVE_TOKEN="clv_wrong").returncode == 2


def the_script_says_how_a_job_ended_that_people_decided_about(address: str, token: str, quique: User) -> None:
    boss = Actor(UserFactory.create(is_superuser=True), "api")

    def start(key: str, minutes: int) -> subprocess.Popen[str]:
        variables = {"CLARIVE_URL": address, "CLARIVE_TOKEN": token, "CLARIVE_MINUTES": str(minutes)}
        return subprocess.Popen(
            ["sh", str(SCRIPT), "shop-test", "PROD", "shop", "v1.2.0"],
            env={"PATH": os.environ["PATH"], **variables, "CLARIVE_KEY": key},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    for key, actor, action in (("rejected", Actor(quique, "api"), "reject"), ("cancelled", boss, "cancel")):
        early = start(key, minutes=0)
        _out, said = early.communicate(timeout=60)
        assert (early.returncode, said) == (3, "Waited 0 minutes; the job goes on.\n")
        job = at(Job.objects.latest("pk"), "PRE", "pending_approval")
        # The same key waits for the same job.
        waiting = start(key, minutes=5)
        assert waiting.stdout is not None
        assert job.name in waiting.stdout.readline()
        actions()[action].execute(job.pk, actor=actor, now=timezone.now(), comment="Not today")
        out, said = waiting.communicate(timeout=60)
        assert (waiting.returncode, out.splitlines()[-1]) == (1, f"PRE / {key}")
        assert "approval" in said.lower(), said


def the_generated_client_tells_the_story(address: str, token: str, approver: str, folder: Path) -> None:
    client = generated(folder)
    make = client["AuthenticatedClient"]
    with (
        make(base_url=address, token=token, timeout=90) as ana,
        make(base_url=address, token=approver, timeout=90) as quique,
    ):
        the_story(client["models"], client["api"], ana, quique)


def the_story(models: Any, api: Any, ana: Any, quique: Any) -> None:
    body = models.NewJob(
        rule="shop-test",
        environment="PROD",
        project="shop",
        revisions=[models.RevisionBody(ref="v1.1.0")],
        comment="Prices",
    )
    job = api("jobs.create_job").sync(client=ana, body=body, idempotency_key="story")
    assert isinstance(job, models.JobDetail), job
    assert (job.environment, job.comment, job.created_by) == ("PROD", "Prices", "ana")
    again = api("jobs.create_job").sync(client=ana, body=body, idempotency_key="story")
    assert again.id == job.id

    wait = api("jobs.wait_for_job").sync
    waiting = wait(job.id, client=ana, until=models.WaitForJobUntil("pending_approval"), timeout=60)
    assert waiting.status == models.Status.PENDING_APPROVAL
    assert waiting.approval.approvers == ["user:quique"]
    refused = api("jobs.approve_job").sync(job.id, client=ana, body=models.CommentedBody())
    assert isinstance(refused, models.Problem)
    assert refused.code == "right_missing"
    approved = api("jobs.approve_job").sync(job.id, client=quique, body=models.CommentedBody(comment="Good"))
    assert isinstance(approved, models.JobDetail)

    over = wait(job.id, client=ana, until=models.WaitForJobUntil("ended"), timeout=120)
    assert (over.status, over.outcome) == (models.Status.FINISHED, models.Outcome.FINISHED)
    assert over.finished_at > datetime(2026, 1, 1, tzinfo=UTC)
    page = api("jobs.get_job_log").sync(job.id, client=ana, step=models.GetJobLogStep("RUN"))
    assert "1.1.0" in [entry.text for entry in page.results]
    listed = api("jobs.list_jobs").sync(client=ana, environment=["PROD"], limit=5)
    assert [each.id for each in listed.results] == [job.id]


def generated(folder: Path) -> dict[str, Any]:
    """Make the client as its users do, and return its parts."""
    description, settings = folder / "openapi.json", folder / "settings.json"
    description.write_text(json.dumps(document()))
    # Formatting what is thrown away at once would only take time.
    settings.write_text(json.dumps({"post_hooks": [], "package_name_override": "clarive_api"}))
    done = subprocess.run(
        [
            sys.executable, "-m", "openapi_python_client", "generate", "--path", str(description), "--meta", "none",
            "--output-path", str(folder / "clarive_api"), "--config", str(settings), "--fail-on-warning",
        ],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    try:
        package = importlib.import_module("clarive_api")
        models = importlib.import_module("clarive_api.models")
    finally:
        sys.path.remove(str(folder))

    def api(name: str) -> ModuleType:
        return importlib.import_module(f"clarive_api.api.{name}")

    return {"models": models, "api": api, "AuthenticatedClient": package.AuthenticatedClient}
