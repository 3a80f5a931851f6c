"""Operations on other hosts and on other jobs, through real workers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from jobs.actions.base import actions
from jobs.actions.create import create_job_once
from jobs.audit import Actor
from jobs.exceptions import InvalidInput
from jobs.execution import creating
from jobs.models import AuditRecord, CreationRequest, Job
from jobs.wishes import Wish
from permissions import policy
from permissions.catalog import Right
from permissions.models import ApiToken, Environment
from rules.engine.outcomes import OperationFailed
from tests.api import Answer, Api
from tests.conftest import Workers
from tests.engine import create, ended, log_of, rule, setting
from tests.factories import EnvironmentFactory, ProjectFactory, UserFactory
from tests.repositories import git, make_repository
from tests.ssh_server import SshServer, looping

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def actor(transactional_db: None) -> Actor:
    return setting()[1]


@pytest.fixture
def crew(workers: Workers) -> Workers:
    """One worker for jobs, one for the daemon and for those who wait, and the clock."""
    started = [
        workers.start_worker(("jobs",), 2, wait=False),
        workers.start_worker(("daemon", "create"), 2, wait=False),
        workers.start_beat(wait=False),
    ]
    for worker in started:
        worker.wait_ready()
    return workers


@pytest.fixture
def creator(workers: Workers) -> None:
    """One worker for those who wait."""
    workers.start_worker(("create",))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """A server that the workers know."""
    with looping() as loop:
        found = SshServer(loop, tmp_path / "server")
        known_hosts = found.known_hosts(tmp_path / "known_hosts")
        monkeypatch.setenv("CLARIVE_SSH_KNOWN_HOSTS", str(known_hosts))
        yield found
        found.stop()


def test_a_job_copies_to_another_host_and_runs_there(actor: Actor, server: SshServer, crew: Workers) -> None:
    rule(
        "remote",
        f"""
        PRE:
          - write: {{path: out/app.txt, content: "version {{{{ job.id }}}}"}}
        RUN:
          - copy: {{host: "127.0.0.1:{server.port}", user: deploy, key: "{{{{ variables.key }}}}", from: out, to: /app}}
            save_as: copied
          - ssh:
              host: 127.0.0.1
              port: {server.port}
              user: deploy
              key: "{{{{ variables.key }}}}"
              run: cat {server.files}/app/app.txt; echo; echo careful >&2
            save_as: there
          - log: "{{{{ copied.files }}}} file, {{{{ there.returncode }}}}"
        """,
    )
    job = ended(create("remote", actor, variables={"key": server.key}))
    assert (job.status, job.reason) == ("finished", "")
    text = log_of(job)
    assert f"version {job.pk}" in text
    assert "careful" in text
    assert "1 file, 0" in text


def test_a_job_creates_another_one_with_its_revisions(actor: Actor, crew: Workers, tmp_path: Path) -> None:
    shas = make_repository(tmp_path / "repository", {"v1": "one", "v2": "two"})
    ProjectFactory.create(code="shop", repository=str(tmp_path / "repository"))
    EnvironmentFactory.create(code="PROD")
    rule(
        "prod",
        "CHECK:\n  - fail: Only tags\n    when: not revision.ref.startswith('v')\nPRE:\n  - log: deployed",
    )
    rule(
        "dev",
        """
        RUN:
          - create_job:
              rule: prod
              environment: PROD
              project: "{{ project }}"
              revisions: "{{ revisions }}"
              variables: {by: "{{ job.id }}"}
            save_as: made
          - log: "made {{ made.name }} ({{ made.id }})"
        """,
    )
    job = ended(create("dev", actor, project="shop", revisions=("v1", "v2")))
    assert (job.status, job.reason) == ("finished", "")
    made = Job.objects.get(environment__code="PROD")
    assert list(made.revisions.values_list("ref", "sha")) == [("v1", shas["v1"]), ("v2", shas["v2"])]
    assert made.comment == f"Created by {job.name}."
    assert made.created_by == actor.user
    assert made.variables["by"]["value"] == job.pk
    assert f"made {made.name} ({made.pk})" in log_of(job)
    record = AuditRecord.objects.get(job_id=made.pk, action="create")
    assert (record.user, record.source, record.address) == (actor.user.username, "daemon", f"job {job.pk}")
    ended(made)


def test_a_ref_that_names_something_else_by_now_gives_way_to_the_commit(
    actor: Actor, creator: None, tmp_path: Path
) -> None:
    shas = make_repository(tmp_path / "repository", {"v1": "one", "v2": "two"})
    ProjectFactory.create(code="shop", repository=str(tmp_path / "repository"))
    rule("plain", "PRE:\n  - log: hello")
    git("tag", "-f", "v1", "v2", cwd=tmp_path / "repository")
    wish = Wish("plain", "DEV", project="shop", revisions=("v1", "v2"), shas=(shas["v1"], shas["v2"]))
    job = create_job_once(wish, actor=actor, now=timezone.now(), key=uuid.uuid4())
    assert list(job.revisions.values_list("ref", "sha")) == [(shas["v1"], shas["v1"]), ("v2", shas["v2"])]


def test_the_creator_s_rights_count(actor: Actor, crew: Workers) -> None:
    user = UserFactory.create()
    dev = Environment.objects.get(code="DEV")
    for code in ("SEEN", "HIDDEN"):
        environment = EnvironmentFactory.create(code=code)
        if code == "SEEN":
            policy.grant(user, Right.VIEW_MONITOR, environment)
    for right in (Right.VIEW_MONITOR, Right.CREATE):
        policy.grant(user, right, dev)
    rule("plain", "PRE:\n  - log: hello")
    rule(
        "reaching",
        """
        RUN:
          - create_job: {rule: plain, environment: "{{ variables.to }}"}
        """,
    )
    reasons = {}
    for code in ("SEEN", "HIDDEN", "NONE"):
        reasons[code] = ended(create("reaching", Actor(user, "api"), variables={"to": code})).reason
    assert reasons == {
        "SEEN": "The job was not created: You need the right action.job.create in SEEN.",
        "HIDDEN": "The job was not created: environment: Unknown environment: HIDDEN.",
        "NONE": "The job was not created: environment: Unknown environment: NONE.",
    }
    assert not Job.objects.exclude(environment=dev).exists()


def test_what_a_limited_token_created_stays_within_its_limits(actor: Actor, crew: Workers) -> None:
    """The limits of then: neither deleting the token nor an administrator who starts the job again widens them."""
    EnvironmentFactory.create(code="PROD")
    rule(
        "spreading",
        """
        RUN:
          - create_job: {rule: spreading, environment: PROD, variables: {from: "{{ job.environment }}"}}
            when: job.environment == "QA"
          - create_job: {rule: spreading, environment: "{{ variables.to }}"}
            when: job.environment == "DEV"
        """,
    )
    EnvironmentFactory.create(code="QA")
    body = {"rule": "spreading", "environment": "DEV"}
    free = Api(actor.user).post("jobs/", {**body, "variables": {"to": "QA"}})
    limited = Api(actor.user, rights=["view_monitor", "create"], environments=["DEV", "QA"])
    for_prod = limited.post("jobs/", {**body, "variables": {"to": "PROD"}})
    by_way_of_qa = limited.post("jobs/", {**body, "variables": {"to": "QA"}})
    only_seeing = Api(actor.user, rights=["view_monitor"]).post("jobs/", body)
    only_seeing.problem(403, "right_missing")
    ApiToken.objects.all().delete()
    refused = "The job was not created: environment: Unknown environment: PROD."
    assert ended(job_of(free)).status == "finished"
    assert ended(job_of(for_prod)).reason == refused
    assert ended(job_of(by_way_of_qa)).status == "finished"
    reasons = [ended(job).reason for job in Job.objects.filter(environment__code="QA").order_by("pk")]
    assert sorted(reasons) == ["", refused]
    actions()["rerun"].execute(job_of(for_prod).pk, actor=actor, now=timezone.now(), step="RUN", run_now=True)
    again = ended(job_of(for_prod))
    assert (again.attempt, again.reason) == (2, refused)
    assert Job.objects.filter(environment__code="PROD").count() == 1


def job_of(answer: Answer) -> Job:
    assert answer.status == 201, answer.content
    return Job.objects.get(pk=answer.json["id"])


def test_a_refusal_of_the_other_rule_s_check_is_the_failure(actor: Actor, crew: Workers) -> None:
    rule("picky", 'CHECK:\n  - fail: "Not today"\nPRE:\n  - log: never')
    rule(
        "asking",
        "RUN:\n  - create_job: {rule: picky, environment: DEV}\n    on_error: ignore\n  - log: went on",
    )
    job = ended(create("asking", actor))
    assert (job.status, Job.objects.count()) == ("finished", 1)
    assert "The job was not created: Not today" in log_of(job)


def test_a_rule_that_creates_jobs_of_itself_comes_to_an_end(actor: Actor, crew: Workers) -> None:
    rule("endless", "RUN:\n  - create_job: {rule: endless, environment: DEV}")
    ended(create("endless", actor), 60)
    for _ in range(creating.MOST_ANCESTORS):
        newest = ended(Job.objects.latest("pk"), 60)
    assert Job.objects.count() == creating.MOST_ANCESTORS + 1
    assert newest.status == "error"
    assert "10 jobs have created each other up to this one" in newest.reason


def wish_for(slug: str) -> dict[str, Any]:
    return {
        "rule": slug, "environment": "DEV", "project": None, "revisions": [], "comment": "x", "variables": {},
    }  # fmt: skip


def test_the_same_mark_never_creates_two_jobs(actor: Actor, creator: None) -> None:
    rule("plain", "PRE:\n  - log: hello")
    parent = create("plain", actor)
    wish = wish_for("plain")
    first = creating.create(parent.pk, 1, wish, "RUN/0 now")
    assert creating.create(parent.pk, 1, wish, "RUN/0 now") == first
    assert Job.objects.count() == 2
    assert creating.create(parent.pk, 1, wish, "RUN/0 later") != first
    assert creating.create(parent.pk, 2, wish, "RUN/0 now") != first
    assert Job.objects.count() == 4


def test_a_refusal_stays_one(actor: Actor, creator: None) -> None:
    rule("picky", 'CHECK:\n  - fail: "Not today"\nPRE:\n  - log: never')
    rule("plain", "PRE:\n  - log: hello")
    parent = create("plain", actor)
    wish = wish_for("picky")
    for _ in range(2):
        with pytest.raises(OperationFailed, match="Not today"):
            creating.create(parent.pk, 1, wish, "RUN/0 now")
    assert CreationRequest.objects.filter(state="refused").count() == 1


def test_a_request_that_its_asker_left_behind_is_given_up_and_asked_anew(actor: Actor, creator: None) -> None:
    rule("plain", "PRE:\n  - log: hello")
    key, wish, now = uuid.uuid4(), Wish("plain", "DEV"), timezone.now()
    job = create_job_once(wish, actor=actor, now=now, key=key)
    left = CreationRequest.objects.get(job=job)
    left.pk, left.job, left.state = uuid.uuid5(uuid.UUID(int=1), "0"), None, "checking"
    left.deadline = now - timedelta(seconds=1)
    left.save(force_insert=True)
    again = create_job_once(wish, actor=actor, now=now, key=uuid.UUID(int=1))
    assert again != job
    left.refresh_from_db()
    assert left.state == "abandoned"
    assert create_job_once(wish, actor=actor, now=now, key=uuid.UUID(int=1)) == again


def test_a_sha_that_is_none_is_told(actor: Actor) -> None:
    rule("plain", "PRE:\n  - log: hello")
    ProjectFactory.create(code="shop", repository="/nowhere")
    wish = Wish("plain", "DEV", project="shop", revisions=("v1",), shas=("v1",))
    with pytest.raises(InvalidInput, match=r"revisions\[0\].sha: Write the whole commit"):
        create_job_once(wish, actor=actor, now=timezone.now(), key=uuid.uuid4())
