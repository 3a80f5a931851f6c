"""A small world in which something of each kind is there, and what can be named in it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from jobs.models import Delivery, Job
from jobs.notifications import fanout
from permissions import tokens
from permissions.models import ApiToken, User
from tests.api import Api
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    ScheduleFactory,
    UserFactory,
    grant,
)
from tests.life import Cast, work
from tests.notices import subscribe

_STANDING: Final = [("RUN", "ready"), ("PRE", "running"), ("END", "finished"), ("END", "error")]
_TRAPPED: Final = "RUN:\n  - run: exit 1\n    id: deploy\n    on_error: trap\n    rollback: [{log: undone}]"
_WAITING: Final = 'PRE:\n  - log: built\n  - approval: {approvers: ["group:qa", "user:vera"]}\n    id: gate'


def known_world(asker: User) -> dict[str, list[Any]]:
    """Make the world.

    Args:
        asker: Owns a token, a schedule and grants of it, and is in the group ``qa``.

    Returns:
        Values by the name that a field, a parameter or a part of an address has.
    """
    dev, prod = EnvironmentFactory.create(code="DEV"), EnvironmentFactory.create(code="PROD")
    project, rule = ProjectFactory.create(code="shop"), RuleFactory.create(slug="web")
    NatureFactory.create(code="python")
    somebody, group = UserFactory.create(username="somebody"), GroupFactory.create(name="qa")
    asker.groups.add(group)
    grant(asker, "view_monitor", environments=[dev])
    grant(group, "view_monitor", environments=[prod])
    grant(somebody, "view_monitor", "restart")
    for person in (asker, somebody):
        tokens.issue(person, name="of the pipeline")
    for name, owner in (("hourly", asker), ("other", somebody)):
        ScheduleFactory.create(name=name, owner=owner, rule=rule, environment=dev)
    # No webhook leads anywhere: nothing is sent in these tests.
    told = subscribe("chat", url="https://chat.example.org/hook")
    quiet = subscribe("quiet", events=["abend"], addresses=["a@example.org"])
    jobs = _jobs(dev, prod, project=project, rule=rule)
    while fanout.fan_out(timezone.now()):
        pass
    return {
        "job_id": jobs,
        "job": jobs,
        "ids": jobs,
        "environment": ["DEV", "PROD"],
        "environments": ["DEV", "PROD"],
        "project": ["shop"],
        "rule": ["web"],
        "slug": ["web"],
        "code": ["DEV", "shop", "python"],
        "from_operation": ["deploy", "gate"],
        "operation": ["deploy", "gate"],
        "created_by": ["ana"],
        "user": ["somebody", asker.username],
        "username": ["somebody", asker.username],
        "users": ["somebody"],
        "members": ["somebody"],
        "groups": ["qa"],
        "name": ["qa", "hourly", "other"],
        "principal": ["user:somebody", "group:qa"],
        "grant": [row["id"] for row in Api(UserFactory.create(is_superuser=True)).walk("grants/")],
        "token_id": list(ApiToken.objects.filter(name="of the pipeline").values_list("pk", flat=True)),
        "subscription_id": [told.pk, quiet.pk],
        "delivery_id": list(
            Delivery.objects.filter(subscription=told).order_by("id").values_list("pk", flat=True)[:5]
        ),
    }


def _jobs(dev: Any, prod: Any, **fields: Any) -> list[int]:
    """Return jobs at rest and at work, and jobs that wait: for an answer, a signature, or their date."""
    cast = Cast(environment=dev, qa=GroupFactory._meta.model.objects.get(name="qa"))
    later = timezone.now() + timedelta(hours=1)
    found = [
        *(JobFactory.at(*place, environment=where, **fields) for place in _STANDING for where in (dev, prod)),
        *(work(cast.job(source)) for source in (_TRAPPED, _WAITING) for _ in range(2)),
        JobFactory.at("RUN", "ready", environment=dev, scheduled_at=later, **fields),
    ]
    states = {(job.step, job.status) for job in Job.objects.filter(pk__in=[job.pk for job in found])}
    assert states >= {*_STANDING, ("RUN", "trapped"), ("PRE", "pending_approval")}
    return [job.pk for job in found]
