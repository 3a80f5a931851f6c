"""The worker's side of creating a job: resolve refs, run CHECK, make the job, run INIT, while the asker waits.

The request's state moves by compare-and-set, and the job comes into being in the transaction that moves it to
"created". An asker who
gave up moved it to "abandoned" before, so a worker that comes late, or takes too long, creates nothing.
"""

from __future__ import annotations

import logging
import traceback
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from jobs import at_once, audit, durations, runner, transitions, workers
from jobs.exceptions import StaleClaim
from jobs.execution import naming
from jobs.execution.check_host import CheckHost
from jobs.execution.database import recalled
from jobs.execution.leases import LeaseKeeper
from jobs.execution.origins import repository_of
from jobs.making import Refused, draft, name_of, number, require_asker, rule_of, settle_run
from jobs.models import CreationRequest, Job, JobRevision, Project, StepRun
from jobs.notifications import outbox
from jobs.notifications.events import NoticeEvent
from jobs.repositories import GitRunner, Repository, RepositoryError, UnknownRef
from jobs.secrets import vault
from jobs.secrets.credentials import credential_of
from jobs.wishes import Plan, wake_channel
from rules.engine.call import Deadline
from rules.engine.context import Stash
from rules.engine.interpreter import run_step
from rules.engine.outcomes import Failed
from rules.processes.strays import marker_of
from rules.tree import RuleTree

logger = logging.getLogger(__name__)

State = CreationRequest.State


class _TooLate(Exception):
    """The asker's time is over. That is nobody's refusal: the asker gives the request up and hears that no worker answered."""


def serve(request_id: str, worker: str) -> None:
    """Serve one request, once: a second hint for it, or one that comes after its deadline, does nothing.

    A drained worker leaves it to another one, for which the asker hints again.
    """
    if at_once.serve(request_id, worker):
        return
    with transaction.atomic():
        asked = CreationRequest.objects.filter(pk=request_id, state=State.ASKED, deadline__gt=runner.now())
        if not workers.may_take(worker) or asked.update(state=State.CHECKING) == 0:
            return
    request = CreationRequest.objects.select_related("actor").get(pk=request_id)
    plan = Plan.from_data(request.wish)
    secrets = vault.open_for(plan.environment_id, plan.project_id)
    try:
        job = _create(request, plan, worker, secrets)
    except Refused as error:
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
    require_asker(request, plan)
    revisions = _resolve(plan, request)
    conflict = transitions.conflicting_job(
        plan.environment_id, plan.project_id, [revision["sha"] for revision in revisions]
    )
    if conflict is not None:
        raise Refused(conflict.code, sha=conflict.sha, job_id=conflict.job_id, job_name=conflict.job_name)
    pins, tree = rule_of(plan)
    job = draft(request, plan, pins, tree, secrets.mask)
    durations.forecast_new(job, tree, runner.now())
    try:
        facts = _facts(job, plan, revisions, secrets)
    except ObjectDoesNotExist:
        require_asker(request, plan)
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


def _resolve(plan: Plan, request: CreationRequest) -> list[dict[str, str]]:
    if not plan.revisions or plan.project_id is None:
        return []
    found, errors = [], {}
    runner_of_git = GitRunner(marker_of(naming.scope(), str(request.pk)))
    project = Project.objects.filter(pk=plan.project_id).first()
    if project is None:
        raise Refused("invalid", errors={"project": ["It was deleted meanwhile."]})
    repository = repository_of(project, runner_of_git)
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
        raise Refused("invalid", errors=errors)
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


def _facts(job: Job, plan: Plan, revisions: list[dict[str, str]], secrets: vault.Opened) -> naming.JobFacts:
    """Return what CHECK may know of a job that is not there yet."""
    return naming.JobFacts(
        job={**naming.describe(job), "id": None, "name": ""},
        environment=job.environment.code,
        project=job.project.code if job.project else None,
        repository=plan.repository,
        credential=credential_of(job.project, naming.known_hosts()) if job.project else None,
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
        raise Refused("check_failed", message=outcome.message, operation=outcome.path, log=host.lines())


def _insert(
    request: CreationRequest, plan: Plan, job: Job, revisions: list[dict[str, str]], worker: str
) -> Job | None:
    """Save the job, at INIT and claimed, unless the asker gave up."""
    try:
        with transaction.atomic():
            require_asker(request, plan)
            moment = number(job)
            job.name = name_of(job)
            job.claim, job.claimed_by, job.lease_expires_at = uuid.uuid4(), worker, moment + runner.lease()
            job.save(force_insert=True)
            _insert_revisions(job, revisions)
            StepRun.objects.create(job=job, attempt=1, step=job.step, started_at=moment)
            by_schedule = settle_run(request, job, moment)
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
            require_asker(request, plan)
            raise
        raise Refused(found.code, sha=found.sha, job_id=found.job_id, job_name=found.job_name) from error
    return job


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
