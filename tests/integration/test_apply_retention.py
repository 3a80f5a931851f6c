"""Retention in documents: made, changed, taken away, exported, and what is refused."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.utils import timezone

from jobs.acting import COMMAND
from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.configuration.export import export_text
from jobs.configuration.problems import ConfigurationInvalid
from jobs.log.writer import append_entry
from jobs.models import AuditRecord, Job, RetentionPolicy
from permissions.catalog import Right
from tests.factories import EnvironmentFactory, JobFactory, user_with
from tests.pages import Reader, words

pytestmark = pytest.mark.django_db

DOCUMENT = """
environments: [{code: PROD}]
rules:
  - source: |
      name: deploy
      steps:
        RUN:
          - log: hello
retention:
  - {removes: log, keep_days: 90}
  - {removes: job, keep_days: 365, keep_jobs: 50}
  - {removes: job, environment: PROD}
  - {removes: files, environment: PROD, rule: deploy, outcome: failed, keep_jobs: 3}
"""
NAMES = [
    "files of PROD × deploy × failed",
    "job of * × * × any",
    "job of PROD × * × any",
    "log of * × * × any",
]


def apply(text: str, *, prune: bool = False) -> list[str]:
    source = Source("site.yaml", text, Path())
    return apply_documents([source], now=timezone.now(), prune=prune, author=COMMAND)


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        apply(text)
    return [str(problem).removeprefix("site.yaml:") for problem in caught.value.problems]


def test_the_way_round_is_the_identity_and_every_change_is_in_the_audit() -> None:
    lines = apply(DOCUMENT)
    assert [line for line in lines if "policy" in line] == [
        f"created retention policy {name}" for name in (NAMES[3], NAMES[1], NAMES[2], NAMES[0])
    ]
    assert sorted(map(str, RetentionPolicy.objects.all())) == NAMES
    written = export_text(["retention"])
    assert apply(written, prune=True) == []
    assert export_text(["retention"]) == written
    records = AuditRecord.objects.filter(action="create_retention")
    assert sorted(record.comment.partition(":")[0] for record in records) == NAMES
    assert {record.source for record in records} == {"command"}


def test_a_limit_that_is_not_written_does_not_hold_and_prune_removes_what_is_not_named() -> None:
    apply(DOCUMENT)
    assert apply("retention: [{removes: job, keep_jobs: 10}]", prune=True) == [
        "changed retention policy job of * × * × any: keep_days, keep_jobs",
        *(f"removed retention policy {name}" for name in (NAMES[0], NAMES[2], NAMES[3])),
    ]
    (policy,) = RetentionPolicy.objects.all()
    assert (policy.keep_days, policy.keep_jobs) == (None, 10)


def test_what_does_not_fit_is_named_with_its_place() -> None:
    found = refused("""
retention:
  - {keep_days: 3}
  - {removes: everything}
  - {removes: job, outcome: failled}
  - {removes: job, environment: NOPE}
  - {removes: job, keep_days: many}
  - {removes: log, keep_days: 0}
  - {removes: log, rule: nope}
  - {removes: files}
  - {removes: files, keep_jobs: 1}
""")
    assert [problem.partition(":")[0] for problem in found] == ["3", "4", "5", "6", "7", "8", "9", "11"]
    assert "retention policy needs removes." in found[0]
    assert "failed" in found[2]
    assert "written twice" in found[-1]


def test_the_command_says_what_would_go_and_removes_it() -> None:
    job = JobFactory.at("END", "error", now=timezone.now() - timedelta(days=10))
    append_entry(job.pk, 1, "RUN", "info", "There.")
    said = io.StringIO()
    call_command("retention", "--dry-run", stdout=said)
    assert said.getvalue().startswith("There is no policy: nothing is ever removed.\nAll logs take ")
    RetentionPolicy.objects.create(removes="job", keep_days=5)
    RetentionPolicy.objects.create(removes="log", environment=job.environment)
    said = io.StringIO()
    call_command("retention", "--dry-run", stdout=said)
    assert "job of * × * × any, kept 5 days: 1 jobs, 1 lines in " in said.getvalue()
    assert (
        f"log of {job.environment.code} × * × any, kept for ever: 0 jobs, 0 lines in 0 B" in said.getvalue()
    )
    assert Job.objects.filter(pk=job.pk).exists()
    said = io.StringIO()
    call_command("retention", stdout=said)
    assert said.getvalue().startswith("Removed: 1 jobs, 0 logs, 0 files.\n")
    assert not Job.objects.filter(pk=job.pk).exists()


def test_the_administration_counts_only_what_its_reader_may_see() -> None:
    mine, hidden = EnvironmentFactory.create(), EnvironmentFactory.create()
    for environment in (mine, hidden):
        JobFactory.at("END", "error", now=timezone.now() - timedelta(days=10), environment=environment)
        RetentionPolicy.objects.create(removes="job", environment=environment, keep_days=5)
    RetentionPolicy.objects.create(removes="log", keep_days=5)
    user = user_with(Right.VIEW_MONITOR, environments=[mine], is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(content_type__model="retentionpolicy"))
    staff = Reader(user, language="en")
    shown = words(staff.get("/admin/jobs/retentionpolicy/dry_run/"))
    assert mine.code in shown
    assert hidden.code not in shown
    assert "All logs take" not in shown
    listed = words(staff.get("/admin/jobs/retentionpolicy/"))
    assert hidden.code not in listed
    assert "any environment" in listed
    form = {
        "removes": "files",
        "environment": "",
        "rule": "",
        "outcome": "any",
        "keep_days": "5",
        "keep_jobs": "",
    }
    assert staff.post("/admin/jobs/retentionpolicy/add/", form).status_code == 200
    assert (
        staff.post("/admin/jobs/retentionpolicy/add/", {**form, "environment": hidden.pk}).status_code == 200
    )
    assert staff.post("/admin/jobs/retentionpolicy/add/", {**form, "environment": mine.pk}).status_code == 302
    again = staff.post("/admin/jobs/retentionpolicy/add/", {**form, "environment": mine.pk})
    assert "There is a policy for these jobs already." in words(again)
    record = AuditRecord.objects.get(action="create_retention", environment=mine.code)
    assert record.comment.startswith(f"files of {mine.code} × * × any")
    boss = Reader(user_with(Right.VIEW_MONITOR, is_superuser=True, is_staff=True), language="en")
    shown = words(boss.get("/admin/jobs/retentionpolicy/dry_run/"))
    assert f"The job with all that is its own: {hidden.code} × any rule × Any 5 days 1 0 0 bytes" in shown
    assert "All logs take" in shown
