"""The worker's side of creating a job: resolve refs, run CHECK, make the job, run INIT, while the asker waits.

The request's state moves by compare-and-set, and the job comes into being in the transaction that moves it to
"created". An asker who
gave up moved it to "abandoned" before, so a worker that comes late, or takes too long, creates nothing.
"""

from __future__ import annotations

import logging
import traceback
import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from jobs import audit, durations, runner, transitions, variables, workers
from jobs.choices import NAME_PREFIXES, JobType
from jobs.exceptions import AskerGone, StaleClaim
from jobs.execution import naming
from jobs.execution.check_host import CheckHost
from jobs.execution.database import recalled
from jobs.execution.leases import LeaseKeeper
from jobs.lifecycle import FIRST
from jobs.models import CreationRequest, Job, JobRevision, Project, ScheduleRun, StepRun
from jobs.notifications import outbox
from jobs.notifications.events import NoticeEvent
from jobs.repositories import GitRunner, Repository, RepositoryError, UnknownRef
from jobs.secrets import vault
from jobs.secrets.masking import Mask
from jobs.wishes import Plan, wake_channel
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import EnvironmentHidden, RightMissing
from permissions.models import Environment, User
from permissions.rights import Limits
from rules import selectors as rule_selectors
from rules.engine.call import Deadline
from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Failed
from rules.exceptions import RuleInvalid, RuleNotFound
from rules.models import RuleVersion
from rules.processes.strays import marker_of
from rules.tree import EXECUTED_STEPS, RuleTree, count_leaves

logger = logging.getLogger(__name__)

State = CreationRequest.State

VISIBLE_STEPS: Final = EXECUTED_STEPS[1:]
"""Steps whose operations a job records; CHECK runs before it exists."""


class _Refused(Exception):
    """The job is not to be; ``refusal`` says why in the form that ``jobs.actions.create`` turns into an error."""

    def __init__(self, code: str, **data: Any) -> None:
        super().__init__(code)
        self.refusal = {"code": code, **data}

    def masked(self, mask: Mask) -> dict[str, Any]:
        """Return the refusal with secrets hidden in what it says; what programs read stays as it is."""
        shown = dict(self.refusal)
        if "message" in shown:
            shown["message"] = mask.text(shown["message"])
        if "errors" in shown:
            shown["errors"] = {field: mask.value(messages) for field, messages in shown["errors"].items()}
        return shown


class _TooLate(Exception):
    """The asker's time is over. That is nobody's refusal: the asker gives the request up and hears that no worker answered."""


def serve(request_id: str, worker: str) -> None:
    """Serve one request, once: a second hint for it, or one that comes after its deadline, does nothing.

    A drained worker leaves it to another one, for which the asker hints again.
    """
    with transaction.atomic():
        asked = CreationRequest.objects.filter(pk=request_id, state=State.ASKED, deadline__gt=runner.now())
        if not workers.may_take(worker) or asked.update(state=State.CHECKING) == 0:
            return
    request = CreationRequest.objects.select_related("actor").get(pk=request_id)
    plan = Plan.from_data(request.wish)
    secrets = vault.open_for(plan.environment_id, plan.project_id)
    try:
        job = _create(request, plan, worker, secrets)
    except _Refused as error:
        _move(request, State.CHECKING, State.REFUSED, refusal=error.masked(secrets.mask))
        return
    except _TooLate:
        logger.info("The request %s was not checked in time.", request.pk)
        return
    except (OperationalError, InterfaceError) as error:
        # Nobody's mistake: the asker gives the request up and hears that no worker answered.
        logger.warning("The request %s lost the database: %s", request.pk, error)
        return
    except Exception as error:  # a defect, ours or a third party's: the asker hears so at once
        trace = secrets.mask.text("".join(traceback.format_exception(error)).rstrip("\n"))
        logger.error("The request %s met a defect.\n%s", request.pk, trace)
        said = f"Internal error: {type(error).__name__}; the worker's log says more."
        _move(request, State.CHECKING, State.REFUSED, refusal={"code": "invalid", "errors": {"rule": [said]}})
        return
    if job is not None:
        _run_init(request, job)


def _create(request: CreationRequest, plan: Plan, worker: str, secrets: vault.Opened) -> Job | None:
    """Check the wish and make the job, claimed by this worker; ``None`` when the asker gave up meanwhile."""
    _require_asker(request, plan)
    revisions = _resolve(plan, request)
    conflict = transitions.conflicting_job(
        plan.environment_id, plan.project_id, [revision["sha"] for revision in revisions]
    )
    if conflict is not None:
        raise _Refused(conflict.code, sha=conflict.sha, job_id=conflict.job_id, job_name=conflict.job_name)
    pins, tree = _rule(plan)
    job = _draft(request, plan, pins, tree, secrets.mask)
    try:
        facts = _facts(job, plan, revisions, secrets)
    except ObjectDoesNotExist:
        _require_asker(request, plan)
        raise
    _check(tree, job, facts, request)
    try:
        return _insert(request, plan, job, revisions, worker)
    except (OperationalError, InterfaceError):
        # The connection may have broken at the commit. Was it made, the job is this worker's, and nobody else runs it.
        claim = job.claim
        found = recalled(lambda: Job.objects.filter(claim=claim).first()) if claim is not None else None
        if found is None:
            raise
        return found


def _require_asker(request: CreationRequest, plan: Plan) -> User:
    """Return who asks, as of now; asked before CHECK, which may take long, and again where the job comes into being.

    Raises:
        _Refused: They were deleted, made inactive or lost the right since they asked, or the environment was deleted.
    """
    asker = User.objects.filter(pk=request.actor_id, is_active=True).first()
    if asker is None:
        raise _Refused(AskerGone.code)
    asker.limits = Limits.from_data(request.limits)
    environment = Environment.objects.filter(pk=plan.environment_id).first()
    try:
        if environment is None:
            raise EnvironmentHidden(plan.environment)
        policy.require(asker, Right.CREATE, environment)
    except EnvironmentHidden as error:
        # By the name that the asker gave, whatever it is called by now.
        said = str(EnvironmentHidden(plan.environment))
        raise _Refused("invalid", errors={"environment": [said]}) from error
    except RightMissing as error:
        raise _Refused(error.code, right=error.right.value, environment=plan.environment) from error
    _require_things(plan)
    return asker


def _require_things(plan: Plan) -> None:
    """Do nothing when the project and the version of the rule are still there."""
    errors = {}
    if plan.project_id is not None and not Project.objects.filter(pk=plan.project_id).exists():
        errors["project"] = ["The project has been deleted."]
    if not RuleVersion.objects.filter(pk=plan.rule_version_id).exists():
        errors["rule"] = ["The rule has been deleted."]
    if errors:
        raise _Refused("invalid", errors=errors)


def _rule(plan: Plan) -> tuple[dict[str, int], RuleTree]:
    """Return the versions of the rules that the rule calls, from now on pinned, and the whole tree."""
    try:
        pins = rule_selectors.pins(plan.rule_version_id)
        return pins, rule_selectors.linked_tree(plan.rule_version_id, pins)
    except (RuleInvalid, RuleNotFound) as error:
        raise _Refused("invalid", errors={"rule": [f"The rule cannot run: {error}"]}) from error


def _resolve(plan: Plan, request: CreationRequest) -> list[dict[str, str]]:
    runner_of_git = GitRunner(marker_of(naming.scope(), str(request.pk)))
    repository = Repository(plan.repository, naming.mirrors(), runner_of_git)
    found, errors = [], {}
    for index, ref in enumerate(plan.revisions):
        try:
            seconds = max(0.1, (request.deadline - runner.now()) / timedelta(seconds=1))
            sha = plan.shas[index] if plan.shas else ""
            found.append(_revision(repository, ref, sha, seconds))
        except UnknownRef as error:
            errors[f"revisions[{index}].ref"] = [str(error)]
        except RepositoryError as error:
            errors["project"] = [f"The repository cannot be read: {error}"]
    shas = [revision["sha"] for revision in found]
    for index, sha in enumerate(shas):
        if sha in shas[:index]:
            errors[f"revisions[{index}].ref"] = [
                f"It is the same commit as {plan.revisions[shas.index(sha)]!r}."
            ]
    if errors:
        raise _Refused("invalid", errors=errors)
    return found


def _revision(repository: Repository, ref: str, sha: str, seconds: float) -> dict[str, str]:
    """Return a revision; of one that was asked for by its commit the ref stays only while it names that commit."""
    if not sha:
        return {"ref": ref, "sha": repository.resolve(ref, seconds=seconds)}
    found = repository.resolve(sha, seconds=seconds)
    try:
        names_it = ref != sha and repository.resolve(ref, seconds=seconds) == found
    except UnknownRef:
        names_it = False
    return {"ref": ref if names_it else found, "sha": found}


def _draft(request: CreationRequest, plan: Plan, pins: dict[str, int], tree: RuleTree, mask: Mask) -> Job:
    """Return the job as it would be, not saved and without a number."""
    expected, basis = _expectation(plan, tree)
    merged = variables.merge({"rule": tree.variables, **plan.layers, "job": plan.variables})
    job = Job(
        type=plan.type,
        rule_id=plan.rule_id,
        rule_version_id=plan.rule_version_id,
        rule_pins=pins,
        environment_id=plan.environment_id,
        project_id=plan.project_id,
        step=FIRST.step.value,
        status=FIRST.status.value,
        urgent=plan.urgent,
        comment=plan.comment,
        variables=variables.kept(merged, mask.value),
        stash=Stash(variables={name: variable.value for name, variable in merged.items()}).to_data(),
        created_by=request.actor,
        limits=request.limits,
        created_at=request.created_at,
        scheduled_at=plan.scheduled_at,
        max_start_at=plan.max_start_at,
        operations_expected=expected,
        progress_basis=basis,
    )
    durations.forecast_new(job, tree, runner.now())
    return job


_HISTORY: Final = """
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY operations_done) FROM (
    SELECT operations_done FROM jobs_job
    WHERE rule_id = %s AND status = 'finished' AND (%s::bigint IS NULL OR environment_id = %s)
    ORDER BY id DESC LIMIT 20
) AS newest
"""


def _expectation(plan: Plan, tree: RuleTree) -> tuple[int, str]:
    """Return how many operations to expect, and by what: jobs of the rule in the environment, of the rule, or its tree."""
    with connection.cursor() as cursor:
        for basis, environment_id in (("environment", plan.environment_id), ("rule", None)):
            cursor.execute(_HISTORY, [plan.rule_id, environment_id, environment_id])
            row = cursor.fetchone()
            if row is not None and row[0] is not None:
                return int(row[0]), basis
    return count_leaves(tree, VISIBLE_STEPS), "tree"


def _facts(job: Job, plan: Plan, revisions: list[dict[str, str]], secrets: vault.Opened) -> naming.JobFacts:
    """Return what CHECK may know of a job that is not there yet."""
    return naming.JobFacts(
        job={**naming.describe(job), "id": None, "name": ""},
        environment=job.environment.code,
        project=job.project.code if job.project else None,
        repository=plan.repository,
        revisions=tuple(revisions),
        step="CHECK",
        attempt=1,
        secrets=secrets,
    )


def _check(tree: RuleTree, job: Job, facts: naming.JobFacts, request: CreationRequest) -> None:
    if not tree.operations("CHECK"):
        return
    limit = Deadline(request.deadline, "CHECK", f"{settings.CLARIVE_CREATE_TIMEOUT_SECONDS}s")
    with CheckHost(facts, str(request.pk)) as host:
        outcome = run_step(tree, "CHECK", host, Stash.from_data(job.stash), deadline=limit)
    if isinstance(outcome, Failed):
        if runner.now() >= request.deadline:
            raise _TooLate
        raise _Refused("check_failed", message=outcome.message, operation=outcome.path, log=host.lines())


def _insert(
    request: CreationRequest, plan: Plan, job: Job, revisions: list[dict[str, str]], worker: str
) -> Job | None:
    """Save the job, at INIT and claimed, unless the asker gave up."""
    try:
        with transaction.atomic():
            _require_asker(request, plan)
            job.pk, moment = _next_number()
            job.name = _name(job)
            job.claim, job.claimed_by, job.lease_expires_at = uuid.uuid4(), worker, moment + runner.lease()
            job.save(force_insert=True)
            _insert_revisions(job, revisions)
            StepRun.objects.create(job=job, attempt=1, step=job.step, started_at=moment)
            by_schedule = _settle_run(request, job, moment)
            actor = audit.Actor(request.actor, request.source, request.address)
            audit.record(actor, "create", job, now=moment, comment=f"{by_schedule}{job.comment}")
            with outbox.decided_by(request.actor.get_username(), job.comment):
                outbox.tell(job, NoticeEvent.JOB_CREATED, moment)
            if not _move(request, State.CHECKING, State.CREATED, job=job):
                transaction.set_rollback(True)
                return None
    except IntegrityError as error:
        found = transitions.revision_error(
            error, job.environment_id, job.project_id, [revision["sha"] for revision in revisions]
        )
        if found is None:
            # What the job refers to may have been deleted between the look and the end of the transaction.
            _require_asker(request, plan)
            raise
        raise _Refused(found.code, sha=found.sha, job_id=found.job_id, job_name=found.job_name) from error
    return job


def _settle_run(request: CreationRequest, job: Job, moment: datetime) -> str:
    """Settle the run of a schedule that asks for the job, if one does, and return what the audit says of it.

    It is settled in the job's own transaction, so no crash can make another job of it. The run comes before the request,
    the order in which ``jobs.schedules`` takes their locks.
    """
    run = request.schedule_run
    if run is None:
        return ""
    waiting = ScheduleRun.objects.filter(pk=run.pk, look_at__isnull=False)
    waiting.update(result=ScheduleRun.Result.CREATED, job=job, message="", at=moment, look_at=None)
    return f"By the schedule {run.schedule.name}. "


def _next_number() -> tuple[int, datetime]:
    """Return the number of a new job and the database's time, by which its lease is judged."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('jobs_job', 'id')), clock_timestamp()")
        number, moment = cursor.fetchone()
        return int(number), moment


def _name(job: Job) -> str:
    prefix = NAME_PREFIXES[JobType(job.type)]
    return str(settings.CLARIVE_JOB_NAME_MASK).format(
        prefix=prefix, environment=job.environment.code, seq=job.pk
    )


def _insert_revisions(job: Job, revisions: list[dict[str, str]]) -> None:
    if job.project_id is None:
        return
    JobRevision.objects.bulk_create(
        JobRevision(
            job=job,
            position=position,
            ref=revision["ref"],
            sha=revision["sha"],
            project_id=job.project_id,
            environment_id=job.environment_id,
        )
        for position, revision in enumerate(revisions)
    )


def _run_init(request: CreationRequest, job: Job) -> None:
    assert job.claim is not None
    limit = Deadline(request.deadline, "INIT", f"{settings.CLARIVE_CREATE_TIMEOUT_SECONDS}s")
    try:
        with LeaseKeeper(job.pk, job.claim, runner.lease()) as keeper:
            runner.run_first_step(job, keeper, limit)
    except StaleClaim:
        pass  # cancelled while INIT ran: the asker gets the job as it is
    finally:
        _move(request, State.CREATED, State.DONE)


def _move(request: CreationRequest, before: State, after: State, **fields: Any) -> bool:
    """Move the request by compare-and-set and wake the asker on commit; return whether it was where it should be."""
    with transaction.atomic():
        moved = CreationRequest.objects.filter(pk=request.pk, state=before).update(state=after, **fields)
        if moved and after is not State.CREATED:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, '')", [wake_channel(str(request.pk))])
    return moved == 1
