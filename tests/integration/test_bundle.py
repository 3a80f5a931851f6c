"""What is written together: all of it, in its order, in one round trip."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.bundle import Bundle
from jobs.models import AuditRecord, Event, Job
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db(transaction=True)


def record(**fields: Any) -> AuditRecord:
    return AuditRecord(at=timezone.now(), action="create", job_id=1, attempt=1, **fields)


def test_all_of_it_takes_effect_in_its_order_in_one_round_trip() -> None:
    job = JobFactory.at("RUN", "ready")
    bundle = Bundle()
    job.comment, job.stash = "100 % of it's \\ \u00fc", {"a": [1, None, "%s"]}
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        bundle.update(job, ["comment", "stash"])
        bundle.insert(record(comment="first"))
        bundle.add(
            "UPDATE jobs_job SET comment = comment || %(more)s WHERE id = %(id)s", {"more": "!", "id": job.pk}
        )
        bundle.send()
        bundle.send()
    assert len(queries) == 1
    found = Job.objects.get()
    assert (found.comment, found.stash) == (f"{job.comment}!", job.stash)
    assert AuditRecord.objects.get().comment == "first"


def test_none_of_it_is_left_when_one_of_it_is_refused() -> None:
    job = JobFactory.at("RUN", "ready")
    bundle = Bundle()
    bundle.insert(record())
    job.status = "nonsense"
    bundle.update(job, ["status"])
    with pytest.raises(IntegrityError), transaction.atomic():
        bundle.send()
    assert not AuditRecord.objects.exists()


def test_rows_are_one_statement_with_the_values_of_each() -> None:
    bundle = Bundle()
    texts = ["100 %", "it's", ""]
    bundle.add_rows(
        "INSERT INTO jobs_event (kind, at, data) VALUES ",
        "('rights', now(), jsonb_build_object('text', %s::text))",
        [(text,) for text in texts],
    )
    with CaptureQueriesContext(connection) as queries:
        bundle.send()
    assert len(queries) == 1
    assert [row.data["text"] for row in Event.objects.order_by("-id")[:3]][::-1] == texts
