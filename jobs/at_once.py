"""Creating a job for which nothing has to run first: one transaction makes it and answers its asker.

A rule without operations in CHECK and INIT, and no refs to be resolved, is the most frequent wish. What takes no time needs no
claim, no lease and no state in between. ``create_job`` makes such a job in the process of its asker, while workers are there that
would; ``serve`` does so for a worker that was asked, and locks the row of the request meanwhile. Whatever is not as usual
is left to ``creation``, which has an answer to everything.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from typing import Any, Final

from django.db import InterfaceError, OperationalError, connection, transaction

from jobs import audit, durations, runner, transitions, variables, workers
from jobs.actions.create import ask, request_of
from jobs.actions.lookup import Found, find
from jobs.audit import Actor
from jobs.bundle import Bundle
from jobs.eta.forecast import Sample
from jobs.execution.database import recalled
from jobs.lifecycle import Event
from jobs.log.assembly import Place
from jobs.log.writer import batch_of
from jobs.making import (
    draft,
    name_of,
    number,
    numbered,
    require_asker,
    rule_of,
    start_while_served,
    variables_of,
)
from jobs.models import CreationRequest, Job
from jobs.notifications import outbox
from jobs.notifications.events import NoticeEvent
from jobs.secrets import vault
from jobs.transitions import Change
from jobs.wishes import Plan, Wish, wake_channel
from rules.tree import RuleTree

logger = logging.getLogger(__name__)

State = CreationRequest.State

_NOTHING: Final = "INIT has nothing to run."
_DONE: Final = """
UPDATE jobs_creationrequest SET state = %s, job_id = %s WHERE id = %s;
SELECT pg_notify(%s, '')
"""


def create_job(wish: Wish, *, actor: Actor, now: datetime) -> Job:
    """Create a job and return it as it is once INIT is over: here when nothing has to run first, else on a worker.

    Args:
        wish: What is wanted.
        actor: Who wants it.
        now: The present.

    Raises:
        InvalidInput: Something in the wish is unknown or makes no sense; also an environment the actor may not see.
        JobError: As ``jobs.actions.create.ask``.
        RightMissing: The actor sees the environment but may not create jobs there.
    """
    found = find(wish, actor, now)
    request = request_of(found.plan, actor, now, uuid.uuid4())
    return _Here(request, found).job() or ask(request)


class _Here:
    """The making of a job in the process of its asker."""

    def __init__(self, request: CreationRequest, found: Found) -> None:
        self._request, self._found = request, found
        self._job: Job | None = None
        self._is_made = False

    def job(self) -> Job | None:
        """Return the job, ``None`` when it is to be made by a worker; nothing was done then.

        Raises:
            OperationalError: The connection broke, and whether the job is there nobody can tell.
        """
        try:
            with transaction.atomic():
                self._make()
            self._is_made = self._job is not None
        except (OperationalError, InterfaceError):
            # It may have broken at the commit. Asking a worker, too, could make two jobs of one wish.
            if self._job is not None and not self._is_made:
                self._is_made = recalled(Job.objects.filter(pk=self._job.pk).exists)
            if not self._is_made:
                raise
        except Exception as error:
            # A refusal, a deletion meanwhile, a defect: the worker meets it again, and says so.
            logger.debug("A job is not made at once: %s", error)
        return self._job if self._is_made else None

    def _make(self) -> None:
        request, found = self._request, self._found
        if found.plan.revisions:
            return
        pins, tree = rule_of(found.plan)
        if _has_something_first(tree):
            return
        start = start_while_served(found.plan, request.created_at)
        if start is None:
            return
        job = draft(request, found.plan, pins, tree, usual=start.usual)
        job.environment, job.project = found.environment, found.project
        job.rule, job.rule_version = found.version.rule, found.version
        moment = numbered(job, start.known)
        self._job = job
        # It is made even if a hint that is sent after the commit meets a defect.
        transaction.on_commit(self._note)
        _insertion(request, found.plan, job, tree, moment, _NOTHING, start.samples).send()

    def _note(self) -> None:
        self._is_made = True


def serve(request_id: str, worker: str) -> bool:
    """Serve a request at once; return ``False`` when that cannot be, and nothing was done.

    Args:
        request_id: Of the request; another hint for it, or one after its deadline, does nothing.
        worker: Name of the worker process.
    """
    try:
        with transaction.atomic():
            return _serve(request_id, worker)
    except Exception as error:
        # A refusal, a deletion meanwhile, a broken connection, a defect: the long way meets it again, and says so. Was the
        # commit made all the same, it finds nothing to do.
        logger.debug("The request %s is not served at once: %s", request_id, error)
        connection.close_if_unusable_or_obsolete()
        return False


def _serve(request_id: str, worker: str) -> bool:
    if not workers.may_take(worker):
        return True
    asked = CreationRequest.objects.select_for_update(of=("self",), skip_locked=True)
    asked = asked.filter(pk=request_id, state=State.ASKED, deadline__gt=runner.now())
    request = asked.select_related("actor").first()
    if request is None:
        return True
    plan = Plan.from_data(request.wish)
    # The run of a schedule is locked before its request, see ``making.settle_run``.
    if plan.revisions or request.schedule_run_id is not None:
        return False
    environment = require_asker(request, plan)
    pins, tree = rule_of(plan)
    if _has_something_first(tree):
        return False
    job = draft(request, plan, pins, tree)
    job.environment = environment
    moment = number(job)
    _insertion(request, plan, job, tree, moment, f"INIT runs on {worker}.").send()
    values: list[Any] = [State.DONE.value, job.pk, request.pk, wake_channel(str(request.pk))]
    with connection.cursor() as cursor:
        cursor.execute(_DONE, values)
    return True


def _has_something_first(tree: RuleTree) -> bool:
    return bool(tree.operations("CHECK") or tree.operations("INIT"))


def _insertion(
    request: CreationRequest,
    plan: Plan,
    job: Job,
    tree: RuleTree,
    moment: datetime,
    said: str,
    samples: tuple[Sample, ...] | None = None,
) -> Bundle:
    """Return what inserts a job that has its number behind its INIT, with all that is told of it."""
    job.name = name_of(job)
    entries = [("info", said)]
    if job.has_secrets:
        opened = vault.open_for(job.environment_id, job.project_id)
        job.variables = variables.kept(variables_of(plan, tree), opened.mask.value)
        entries += [("warning", each) for each in opened.warnings]
    durations.forecast_new(job, tree, moment, samples)
    bundle = Bundle()
    actor = audit.Actor(request.actor, request.source, request.address)
    bundle.insert(audit.unsaved(actor, "create", job, now=moment, comment=job.comment))
    with outbox.decided_by(request.actor.get_username(), job.comment):
        outbox.tell(job, NoticeEvent.JOB_CREATED, moment)
    batch = batch_of(job.pk, job.attempt, Place(job.step), [*entries, ("info", "INIT completed.")], moment)
    job.log_lines = batch.add_to(bundle, 0)
    transitions.begin(job, Change(Event.STEP_OK, moment), bundle)
    return bundle
