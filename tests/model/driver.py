"""The real code, driven in this process on the real database, and what can be seen of a job from outside.

Time is moved by moving the job's dates back: the product judges them by the database's clock.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from unittest.mock import patch

from django.contrib.auth.models import Group
from django.db import connection, models
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from jobs import creation, daemon, runner
from jobs.actions import base
from jobs.actions.lookup import make_plan
from jobs.audit import Actor
from jobs.execution import draining
from jobs.execution.leases import LeaseKeeper
from jobs.models import CreationRequest, DaemonState, Job, Project
from jobs.wishes import Wish
from permissions.models import Environment, User
from rules.engine.call import Deadline
from rules.models import Rule
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    ProjectFactory,
    UserFactory,
    grant,
    publish,
)
from tests.model.decisions import Asked
from tests.model.execution import World
from tests.model.model import LEASE
from tests.model.people import PEOPLE
from tests.model.rules import RULES
from tests.model.world import Probes

EXPIRY: Final = timedelta(days=1)
EXPIRY_URGENT: Final = timedelta(hours=1)
CODE: Final = "MODEL"
_EVERYTHING: Final = "everything_of_a_job"
_LONG_AGO: Final = timedelta(days=1)
_NEVER_MOVED: Final = {"lease_expires_at"}


@dataclass(frozen=True)
class Scene:
    """What is there before any job: an environment, people with rights, and rules."""

    environment: Environment
    project: Project
    users: Mapping[str, User]


def set_scene() -> Scene:
    """Make what the jobs need."""
    environment = EnvironmentFactory.create(code=CODE, expiry=EXPIRY, expiry_urgent=EXPIRY_URGENT)
    elsewhere = EnvironmentFactory.create(code="ELSEWHERE")
    groups: dict[str, Group] = {}
    users: dict[str, User] = {}
    for person in PEOPLE:
        user = UserFactory.create(
            username=person.name, is_superuser=person.is_superuser, is_active=person.is_active
        )
        grant(user, *sorted(person.granted), environments=[environment])
        grant(user, "view_monitor", environments=[elsewhere])
        for name in person.groups:
            groups[name] = groups.get(name) or GroupFactory.create(name=name)
            user.groups.add(groups[name])
        users[person.name] = user
    for rule in RULES.values():
        publish(json.dumps(rule.document))
    return Scene(environment, ProjectFactory.create(code=CODE), users)


class Runner:
    """A worker's process that has a job.

    Attributes:
        job: As the process last read it.
        may_say_last_words: It lost its claim to a cancel, so the log may hear which processes it ended.
    """

    def __init__(self, job: Job, deadline: Deadline | None = None) -> None:
        self.job = job
        self.may_say_last_words = False
        self._deadline = deadline

    def go_on(self, probes: Probes, world: World) -> bool:
        """Run the step at hand; return whether this runner has begun the next one.

        Raises:
            StaleClaim: The job was taken away.
            Death: The worker died.
        """
        probes.world = world
        assert self.job.claim is not None
        try:
            with LeaseKeeper(self.job.pk, self.job.claim, runner.lease()) as keeper:
                if self._deadline is not None:
                    runner.run_first_step(self.job, keeper, self._deadline)
                    return False
                following = runner.run_claimed_step(self.job, keeper)
        finally:
            draining.reset()
        if following is None:
            return False
        self.job = following
        return True


def create(
    rule: str, user: User, *, urgent: bool, delay: timedelta | None, window: timedelta | None
) -> Runner:
    """Make a job as the worker does that serves a request; it is at INIT, and the worker has it."""
    now = datetime.now(UTC)
    begins = None if delay is None else now + delay
    latest = None if window is None else (begins or now) + window
    wish = Wish(rule, environment=CODE, project=CODE, scheduled_at=begins, max_start_at=latest, urgent=urgent)
    plan = make_plan(wish, Actor(user, "api"), now)
    request = CreationRequest.objects.create(
        wish=plan.to_data(),
        actor=user,
        source="api",
        created_at=now,
        deadline=now + timedelta(minutes=10),
    )
    made: list[Job] = []
    # The long way: the model looks at INIT, too.
    at_once = patch("jobs.at_once.serve", return_value=False)
    with at_once, patch.object(creation, "_run_init", lambda _, job: made.append(job)):
        creation.serve(str(request.pk), "model")
    return Runner(made[0], Deadline(request.deadline, "INIT", "10m"))


def take_due() -> Runner | None:
    """Take the next due job as a worker does."""
    job = runner.take_due("model")
    return None if job is None else Runner(job)


def act(job_id: int, asked: Asked, user: User) -> None:
    """Do what somebody asks for."""
    seen = None if asked.seen is None else base.Seen(*asked.seen)
    action = base.actions()[asked.action]
    action.execute(job_id, actor=Actor(user, "api"), now=datetime.now(UTC), seen=seen, **asked.params)


def available(job: Job, user: User) -> set[str]:
    """Return what the product offers a user."""
    return set(base.available(job, user, now=datetime.now(UTC)))


def tick(*, somebody_has_it: bool) -> None:
    """Let the daemon look, as one that has ticked without a gap for long, which matters while a runner has the job."""
    now = datetime.now(UTC)
    if somebody_has_it:
        DaemonState.objects.update_or_create(
            pk=1, defaults={"ticked_at": now, "steady_since": now - _LONG_AGO}
        )
    assert daemon.tick()


def lapse(job_id: int) -> None:
    """Let the lease of a dead runner begin now."""
    Job.objects.filter(pk=job_id).update(lease_expires_at=datetime.now(UTC) + LEASE)


def end_later_job(scene: Scene) -> None:
    """Let a job that was made later for the same project and environment end well."""
    rule = Rule.objects.get(slug="short")
    user = scene.users["olga"]
    JobFactory.at(
        "END",
        "finished",
        rule=rule,
        created_by=user,
        revisions=[],
        environment=scene.environment,
        project=scene.project,
    )


def load(job_id: int) -> Job | None:
    """Return the job as pages and API load it."""
    return Job.objects.select_related("environment", "created_by", "project").filter(pk=job_id).first()


def remove_all() -> None:
    """Leave no job behind, so that no worker of the next example takes it."""
    CreationRequest.objects.all().delete()
    Job.objects.all().delete()


# Everything that hangs on a job, found in the models themselves.


@functools.cache
def _tables() -> list[tuple[type[Model], str]]:
    """Return every model whose rows belong to a job, and the SQL condition that says so."""
    found: list[tuple[type[Model], str]] = [(Job, "id = %(job)s")]
    pending: list[type[Model]] = [Job]
    while pending:
        owner = pending.pop()
        for relation in owner._meta.related_objects:
            child = relation.related_model
            goes = relation.field.remote_field.on_delete in {models.CASCADE, models.DO_NOTHING}
            if not goes or child in {m for m, _ in found}:
                continue
            condition = next(text for model, text in found if model is owner)
            column = relation.field.column
            inner = f"SELECT id FROM {owner._meta.db_table} WHERE {condition}"
            found.append((child, f"{column} IN ({inner})"))
            pending.append(child)
    return found


def shift(by: timedelta, *, also_lease: bool) -> None:
    """Move every date of every job back, which is as if time went on; a live runner renews its lease meanwhile."""
    statements = []
    for model, _ in _tables():
        columns = [
            field.column
            for field in model._meta.concrete_fields
            if isinstance(field, models.DateTimeField) and (also_lease or field.name not in _NEVER_MOVED)
        ]
        if columns:
            moved = ", ".join(f"{column} = {column} - make_interval(secs => %(by)s)" for column in columns)
            statements.append(f"UPDATE {model._meta.db_table} SET {moved}")
    with connection.cursor() as cursor:
        cursor.execute(";".join(statements), {"by": by.total_seconds()})


def everything(job_id: int) -> dict[str, str | None]:
    """Return every row that belongs to the job as JSON by table, and how many audit records there are with the last of them."""
    parts = [
        f"SELECT '{model._meta.db_table}', "
        f"jsonb_agg(to_jsonb(t) ORDER BY {', '.join(f't.{field.column}' for field in model._meta.pk_fields)}) "
        f"FROM {model._meta.db_table} t WHERE {condition}"
        for model, condition in _tables()
    ]
    parts.append(
        "SELECT 'audit', jsonb_build_array(count(*), (SELECT to_jsonb(last) FROM jobs_auditrecord last "
        "WHERE last.job_id = %(job)s ORDER BY id DESC LIMIT 1)) FROM jobs_auditrecord WHERE job_id = %(job)s"
    )
    with connection.cursor() as cursor:
        _prepare(cursor, " UNION ALL ".join(parts) % {"job": "$1"})
        cursor.execute(f"EXECUTE {_EVERYTHING}(%s)", [job_id])
        return dict(cursor.fetchall())


def _prepare(cursor: CursorWrapper, text: str) -> None:
    """Have the question planned once for each connection: planning it takes longer than answering it."""
    cursor.execute("SELECT 1 FROM pg_prepared_statements WHERE name = %s", [_EVERYTHING])
    if cursor.fetchone() is None:
        cursor.execute(f"PREPARE {_EVERYTHING}(bigint) AS {text}")
