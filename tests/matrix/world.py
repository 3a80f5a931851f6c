"""What is behind the doors: two environments with the same things in both, and the names that nobody may read by chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs.audit import Actor, Author, record
from jobs.models import (
    Approval,
    AuditRecord,
    Job,
    Project,
    ProjectEnvironment,
    RetentionPolicy,
    SavedView,
    Secret,
    Semaphore,
    SemaphoreRequest,
    Trap,
    WorkerSeen,
)
from jobs.notifications import fanout
from jobs.secrets import vault
from permissions import tokens
from permissions.catalog import Right
from permissions.models import ApiToken, Environment, ExternalIdentity, User
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    NatureFactory,
    ProjectFactory,
    RuleFactory,
    ScheduleFactory,
    UserFactory,
    publish,
    user_with,
)
from tests.life import Cast, fresh, work
from tests.matrix.access import ELSEWHERE, HERE, OWNER
from tests.matrix.people import BY_GROUP, SUPERUSER, Keys, everybody, name_in_approval, username
from tests.matrix.rows import WORKER
from tests.notices import subscribe

PLAIN: Final = """
PRE:
  - log: built
    id: build
    rollback: [{log: unbuilt}]
RUN:
  - log: deployed
"""
TRAP: Final = """
RUN:
  - fail: no route to host
    id: deploy
    on_error: trap
    trap: {timeout: 1h}
"""
APPROVAL: Final = """
PRE:
  - approval: {{approvers: {approvers}}}
    id: gate
RUN:
  - log: deployed
"""
NOBODY: Final = 2**31 - 7
"""A key that nothing has."""

NOWHERE: Final = "NOWHERE"
"""A code that nothing has."""


def mark_of(code: str) -> str:
    """Return what stands in every name and text of an environment, and nowhere else."""
    return code.partition("-")[2]


def people_of(code: str) -> str:
    """Return what stands in every name of a user or group that has to do with an environment alone."""
    return mark_of(code).replace("zz", "yy")


@dataclass
class World:
    """All that the doors lead to.

    Attributes:
        jobs: Jobs here by how they are: planned, finished, pending, trapped, paused.
        things: The key of a row here of each table of the administration, by name.
        spares: The key of a row that nothing refers to, likewise.
        keys: What everybody opens doors with, by name.
        newest_record: The key of the newest record of the audit.
    """

    here: Environment
    elsewhere: Environment
    jobs: dict[str, Job] = field(default_factory=dict)
    things: dict[str, Any] = field(default_factory=dict)
    spares: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Keys] = field(default_factory=dict)
    newest_record: int = 0


def build() -> World:
    """Return the world, just made."""
    here = EnvironmentFactory.create(code=HERE, name=f"Called {HERE}")
    elsewhere = EnvironmentFactory.create(code=ELSEWHERE, name=f"Called {ELSEWHERE}")
    project = ProjectFactory.create(code="shop-zzshared", name="Shop zzshared")
    world = World(here, elsewhere)
    for environment in (elsewhere, here):
        mark = mark_of(environment.code)
        ProjectEnvironment.objects.create(
            project=project, environment=environment, variables={"is": f"of-{mark}"}
        )
        world.jobs = _jobs(environment, project)
    signers = GroupFactory.create(name="signers")
    for person in everybody():
        world.keys[person.name] = Keys(person, here, elsewhere, signers)
    _fill(world, project)
    world.newest_record = AuditRecord.objects.latest("pk").pk
    return world


def _jobs(environment: Environment, project: Project) -> dict[str, Job]:
    """Return a job of each kind in an environment, led there by the real runner."""
    mark, people = mark_of(environment.code), people_of(environment.code)
    named = [*(name_in_approval(person) for person in everybody() if person.named), "user:ghost"]
    cast = Cast(environment, qa=GroupFactory.create(name=f"qa-{people}"))
    cast.people["ana"] = UserFactory.create(username=f"ana-{people}")
    options: dict[str, Any] = {
        "project": project,
        "comment": f"kept-{mark}",
        "variables": {"v": {"value": mark, "origin": "job"}},
    }
    later = {"scheduled_at": timezone.now() + timedelta(hours=5)}
    found = {
        "held": cast.job(PLAIN, name=f"N.{environment.code}-00000006", **options),
        "planned": cast.job(PLAIN, name=f"N.{environment.code}-00000001", **options, **later),
        "finished": cast.job(PLAIN, name=f"N.{environment.code}-00000002", **options),
        "pending": cast.job(
            APPROVAL.format(approvers=named), name=f"N.{environment.code}-00000003", **options
        ),
        "trapped": cast.job(TRAP, name=f"N.{environment.code}-00000004", **options),
        "paused": cast.job(TRAP, name=f"N.{environment.code}-00000005", **options),
    }
    # A later one that finished would stand on what a rollback takes away.
    work(found["held"])
    work(found["finished"])
    cast["boss"].username = f"boss-{people}"
    cast["boss"].save()
    cast.do(found["paused"], "boss", "pause")
    cast.do(found["held"], "boss", "hold")
    for job in found.values():
        record(Actor(cast["boss"], AuditRecord.Source.API.value), "create", job, now=timezone.now())
    author = Author(f"boss-{people}", "admin")
    scope = vault.Scope(environment, None)
    vault.keep(f"secret_{mark}", "a-long-enough-value", scope, by=author, now=timezone.now())
    return {name: fresh(job) for name, job in found.items()}


def _fill(world: World, project: Project) -> None:
    """Make one row of each table of the administration, and one to delete."""
    pending, trapped = world.jobs["pending"], world.jobs["trapped"]
    semaphore = Semaphore.objects.create(name="slots-zzshared")
    for job in (pending, Job.objects.filter(environment=world.elsewhere).first()):
        assert job is not None
        SemaphoreRequest.objects.create(
            semaphore=semaphore,
            job=job,
            path=f"RUN/{job.environment.code}",
            asked_at=timezone.now(),
            granted_at=timezone.now(),
        )
    rule = RuleFactory.create(slug="web-zzshared")
    publish("name: web-zzshared\nsteps:\n  RUN:\n    - log: second\n")
    schedules = {
        environment.pk: ScheduleFactory.create(
            name=f"nightly-{mark_of(environment.code)}",
            rule=rule,
            environment=environment,
            owner=UserFactory.create(username=f"owner-{people_of(environment.code)}"),
        ).pk
        for environment in (world.here, world.elsewhere)
    }
    user = UserFactory.create(username="somebody")
    tokens.issue(user, name="somebody's")
    tokens.issue(UserFactory.create(username="somebody-else"), name="spare")
    world.things = {
        "jobs_job": world.jobs["finished"].pk,
        "jobs_approval": Approval.objects.get(job=pending).pk,
        "jobs_trap": Trap.objects.get(job=trapped).pk,
        "jobs_auditrecord": AuditRecord.objects.filter(environment=world.here.code).latest("pk").pk,
        "jobs_project": project.pk,
        "jobs_nature": NatureFactory.create(code="python-zzshared").pk,
        "jobs_secret": Secret.objects.get(environment=world.here).pk,
        "jobs_retentionpolicy": RetentionPolicy.objects.create(
            environment=world.here, removes="job", keep_days=400
        ).pk,
        "jobs_semaphore": semaphore.pk,
        "rules_rule": rule.pk,
        "auth_group": GroupFactory.create(name="gives-nothing").pk,
        "permissions_user": user.pk,
        "permissions_environment": world.here.pk,
        "permissions_apitoken": ApiToken.objects.get(user=user).pk,
        "jobs_schedule": schedules[world.here.pk],
        "own token": ApiToken.objects.get(user=world.keys[OWNER].user).pk,
        "own view": SavedView.objects.create(
            owner=world.keys[OWNER].user, name="mine", query="status=error", changed_at=timezone.now()
        ).pk,
        "user who holds more": user_with(*Right, environments=[world.here], username="holds-more").pk,
        "group that gives more": Group.objects.get(name=username(BY_GROUP)).pk,
        "superuser": world.keys[SUPERUSER.name].user.pk,
    } | _others(user)
    world.spares = {
        **world.things,
        "auth_group": GroupFactory.create(name="spare").pk,
        "jobs_project": ProjectFactory.create(code="spare").pk,
        "jobs_semaphore": Semaphore.objects.create(name="spare").pk,
        "rules_rule": RuleFactory.create(slug="spare").pk,
        "permissions_user": UserFactory.create(username="spare").pk,
        "permissions_environment": EnvironmentFactory.create(code="SPARE").pk,
    }


def _others(user: User) -> dict[str, Any]:
    """Return rows of tables that belong to no environment: those of beat, of workers and of signing in."""
    interval, now = IntervalSchedule.objects.create(every=7, period="hours"), timezone.now()
    came = {
        "username": "somebody",
        "ip_address": "192.0.2.1",
        "user_agent": "",
        "http_accept": "",
        "path_info": "/login/",
    }
    worker = WorkerSeen.objects.create(
        name=WORKER, host="host", pid=1, queues=["jobs"], started_at=now, seen_at=now
    )
    task = PeriodicTask.objects.create(name="p", task="jobs.tick", interval=interval)
    subscription = subscribe("chat-zzshared", url="https://hook.example.org/zzshared")
    (delivery,) = fanout.ping(subscription, now, "")
    return {
        "jobs_subscription": subscription.pk,
        "delivery": delivery.pk,
        "django_celery_beat_periodictask": task.pk,
        "jobs_workerseen": worker.pk,
        "axes_accessattempt": AccessAttempt.objects.create(failures_since_start=1, **came).pk,
        "axes_accesslog": AccessLog.objects.create(**came).pk,
        "axes_accessfailurelog": AccessFailureLog.objects.create(**came).pk,
        "permissions_externalidentity": ExternalIdentity.objects.create(
            user=user, issuer="ldap:dc=example", subject="s"
        ).pk,
    }


def of_the_address(world: World, name: str, job: str, uses: dict[str, str]) -> dict[str, Any]:
    """Return the values of the parameters of an address.

    Args:
        world: Where they are from.
        name: Of the address.
        job: Which of the jobs is meant.
        uses: Values that differ from the usual ones.
    """
    table = name.removeprefix("admin:").rpartition("_")[0]
    if name.startswith("admin/"):
        table = "_".join(name.split("/")[1:3])
    codes = {"api:project": "shop-zzshared", "api:nature": "python-zzshared"}
    named = uses.get("object_id", "")
    rows = world.spares if named == "spare" else world.things
    thing = rows.get(named, rows.get(table))
    found = {
        "job_id": world.jobs[job].pk,
        "code": codes.get(name, world.here.code),
        "slug": "web-zzshared",
        "object_id": thing,
        "holder_id": thing,
        "user_id": world.things["permissions_user"],
        "token_id": world.things["own token"],
        "view_id": world.things["own view"],
        "subscription_id": world.things["jobs_subscription"],
        "delivery_id": world.things["delivery"],
        "uidb64": "MQ",
        "grant": f"u{world.things['user who holds more']}-{world.here.pk}",
        "username": "somebody",
        "name": f"nightly-{mark_of(HERE)}" if name.startswith("api:schedule") else "spare",
        "token": "set-password",
        "environment_id": world.here.pk,
        "rule_id": world.things["rules_rule"],
        "number": 1,
        "id": rows.get(named, world.things["permissions_user"]),
        "content_type_id": ContentType.objects.get_for_model(Job).pk,
        "app_label": "jobs",
        "url": "nowhere/",
    }
    if name == "admin:view_on_site":
        found["object_id"] = world.jobs[job].pk
    return {**found, **{key: value for key, value in uses.items() if key != "object_id"}}


def of_nothing() -> dict[str, Any]:
    """Return values of parameters with which an address leads to nothing."""
    numbers = (
        "job_id",
        "object_id",
        "holder_id",
        "user_id",
        "token_id",
        "view_id",
        "environment_id",
        "rule_id",
        "id",
        "subscription_id",
        "delivery_id",
    )
    return {
        **dict.fromkeys(numbers, NOBODY),
        "code": NOWHERE,
        "slug": NOWHERE.lower(),
        "grant": f"u{NOBODY}-1",
        "username": NOWHERE,
        "name": NOWHERE,
    }
