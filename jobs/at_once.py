"""Creating a job for which nothing has to run first: one transaction takes the request, makes the job and answers the asker.

A rule without operations in CHECK and INIT, and no refs to be resolved, is the most frequent wish. What takes no time needs no
claim, no lease and no state in between: the request's row is locked for as long as it takes. Whatever is not as usual is left to
``creation``, which has an answer to everything; it finds the request as it was.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.db import connection, transaction

from jobs import audit, durations, runner, transitions, variables, workers
from jobs.lifecycle import Event
from jobs.log.writer import append_entries
from jobs.making import draft, name_of, number, require_asker, rule_of, variables_of
from jobs.models import CreationRequest, Job
from jobs.notifications import outbox
from jobs.notifications.events import NoticeEvent
from jobs.secrets import vault
from jobs.transitions import Change
from jobs.wishes import Plan, wake_channel
from rules.tree import RuleTree

logger = logging.getLogger(__name__)

State = CreationRequest.State

_DONE: Final = """
UPDATE jobs_creationrequest SET state = %s, job_id = %s WHERE id = %s;
SELECT pg_notify(%s, '')
"""


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
    if tree.operations("CHECK") or tree.operations("INIT"):
        return False
    job = draft(request, plan, pins, tree)
    job.environment = environment
    _make(request, plan, job, tree, worker)
    return True


def _make(request: CreationRequest, plan: Plan, job: Job, tree: RuleTree, worker: str) -> None:
    """Insert the job behind its INIT, with all that is told of it, and answer the request."""
    moment = number(job)
    job.name = name_of(job)
    entries = [("info", f"INIT runs on {worker}.")]
    if job.has_secrets:
        opened = vault.open_for(job.environment_id, job.project_id)
        job.variables = variables.kept(variables_of(plan, tree), opened.mask.value)
        entries += [("warning", each) for each in opened.warnings]
    durations.forecast_new(job, tree, moment)
    actor = audit.Actor(request.actor, request.source, request.address)
    audit.record(actor, "create", job, now=moment, comment=job.comment)
    with outbox.decided_by(request.actor.get_username(), job.comment):
        outbox.tell(job, NoticeEvent.JOB_CREATED, moment)
    transitions.begin(job, Change(Event.STEP_OK, moment))
    append_entries(job.pk, job.attempt, "INIT", [*entries, ("info", "INIT completed.")], at=moment)
    values: list[Any] = [State.DONE.value, job.pk, request.pk, wake_channel(str(request.pk))]
    with connection.cursor() as cursor:
        cursor.execute(_DONE, values)
