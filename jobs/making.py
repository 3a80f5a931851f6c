"""Making a job: who may, what it would be, its number and its name. For both ways of ``creation``: with CHECK, and at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from clarive_monitor import prepared
from jobs import durations, selectors, variables
from jobs.choices import NAME_PREFIXES, JobType
from jobs.dispatch import CREATE_QUEUE
from jobs.eta.forecast import Sample
from jobs.exceptions import AskerGone
from jobs.lifecycle import FIRST
from jobs.models import CreationRequest, Job, Project, ScheduleRun
from jobs.secrets.masking import Mask
from jobs.variables import Variable
from jobs.wishes import Plan
from permissions import policy
from permissions.catalog import Right
from permissions.exceptions import EnvironmentHidden, RightMissing
from permissions.models import Environment, User
from permissions.rights import Limits
from rules import selectors as rule_selectors
from rules.engine.context import Stash
from rules.exceptions import RuleInvalid, RuleNotFound
from rules.models import RuleVersion
from rules.tree import EXECUTED_STEPS, RuleTree, count_leaves

UNREAD: Final[Any] = object()
"""Stands for what was not read yet, where ``None`` says that there is nothing."""

VISIBLE_STEPS: Final = EXECUTED_STEPS[1:]
"""Steps whose operations a job records; CHECK runs before it exists."""


class Refused(Exception):
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


def require_asker(request: CreationRequest, plan: Plan) -> Environment:
    """Do nothing while the asker may have the job, and return where; before CHECK, and again where the job comes into being.

    Raises:
        Refused: They were deleted, made inactive or lost the right since they asked, or the environment was deleted.
    """
    asker = User.objects.filter(pk=request.actor_id, is_active=True).first()
    if asker is None:
        raise Refused(AskerGone.code)
    asker.limits = Limits.from_data(request.limits)
    environment = Environment.objects.filter(pk=plan.environment_id).first()
    try:
        if environment is None:
            raise EnvironmentHidden(plan.environment)
        policy.require(asker, Right.CREATE, environment)
    except EnvironmentHidden as error:
        # By the name that the asker gave, whatever it is called by now.
        said = str(EnvironmentHidden(plan.environment))
        raise Refused("invalid", errors={"environment": [said]}) from error
    except RightMissing as error:
        raise Refused(error.code, right=error.right.value, environment=plan.environment) from error
    _require_things(plan)
    return environment


def _require_things(plan: Plan) -> None:
    """Do nothing when the project and the version of the rule are still there."""
    errors = {}
    if plan.project_id is not None and not Project.objects.filter(pk=plan.project_id).exists():
        errors["project"] = ["The project has been deleted."]
    if not RuleVersion.objects.filter(pk=plan.rule_version_id).exists():
        errors["rule"] = ["The rule has been deleted."]
    if errors:
        raise Refused("invalid", errors=errors)


def rule_of(plan: Plan) -> tuple[dict[str, int], RuleTree]:
    """Return the versions of the rules that the rule calls, from now on pinned, and the whole tree."""
    try:
        pins = rule_selectors.pins(plan.rule_version_id)
        return pins, rule_selectors.linked_tree(plan.rule_version_id, pins)
    except (RuleInvalid, RuleNotFound) as error:
        raise Refused("invalid", errors={"rule": [f"The rule cannot run: {error}"]}) from error


def variables_of(plan: Plan, tree: RuleTree) -> dict[str, Variable]:
    """Return what the job's variables are, and where each comes from."""
    return variables.merge({"rule": tree.variables, **plan.layers, "job": plan.variables})


def draft(
    request: CreationRequest,
    plan: Plan,
    pins: dict[str, int],
    tree: RuleTree,
    mask: Mask | None = None,
    usual: tuple[int, str] | None = UNREAD,
) -> Job:
    """Return the job as it would be, not saved, without a number and a forecast.

    Args:
        request: Who asks for it, and when.
        plan: What is asked for.
        pins: See ``rule_of``.
        tree: See ``rule_of``.
        mask: Hides secrets in what is shown of its variables; ``None`` where there are none.
        usual: See ``selectors.usual_operations``, when that is at hand.
    """
    expected, basis = expectation(plan, tree) if usual is UNREAD else _expected(usual, tree)
    merged = variables_of(plan, tree)
    return Job(
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
        variables=variables.kept(merged, mask.value if mask is not None else _as_it_is),
        stash=Stash(variables={name: variable.value for name, variable in merged.items()}).to_data(),
        created_by=request.actor,
        limits=request.limits,
        created_at=request.created_at,
        scheduled_at=plan.scheduled_at,
        max_start_at=plan.max_start_at,
        operations_expected=expected,
        progress_basis=basis,
    )


def _as_it_is(value: Any) -> Any:
    return value


def expectation(plan: Plan, tree: RuleTree) -> tuple[int, str]:
    """Return how many operations to expect, and by what: jobs of the rule in the environment, of the rule, or its tree."""
    return _expected(selectors.usual_operations(plan.rule_id, plan.environment_id), tree)


def _expected(usual: tuple[int, str] | None, tree: RuleTree) -> tuple[int, str]:
    return usual if usual is not None else (count_leaves(tree, VISIBLE_STEPS), "tree")


def settle_run(request: CreationRequest, job: Job, moment: datetime) -> str:
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


_KNOWN: Final = """nextval(pg_get_serial_sequence('jobs_job', 'id')) AS number, clock_timestamp() AS moment,
    EXISTS (SELECT FROM jobs_subscription WHERE enabled) AS is_told,
    EXISTS (SELECT FROM jobs_secret WHERE (environment_id IS NULL OR environment_id = %s)
            AND (project_id IS NULL OR project_id = %s)) AS has_secrets"""
_NUMBER: Final = f"SELECT {_KNOWN}"

# One round trip for all that a new job has to know, and only while somebody is there who makes jobs.
_START: Final = f"""
SELECT start.*, CASE WHEN start.here IS NULL THEN ({selectors.USUAL}) END, timing.*
FROM (
    SELECT {_KNOWN}, ({selectors.USUAL}) AS here
    WHERE EXISTS (
        SELECT FROM jobs_workerseen AS worker WHERE queues @> %s AND seen_at >= %s
        AND NOT EXISTS (SELECT FROM jobs_workerdrain WHERE name = worker.name)
    )
) start LEFT JOIN LATERAL ({durations.NEWEST}) timing ON true
ORDER BY timing.id DESC
"""


@dataclass(frozen=True, slots=True)
class Start:
    """What a new job begins with.

    Attributes:
        known: Its number, the database's time, whether anybody is told, whether there are secrets it may read.
        usual: See ``selectors.usual_operations``.
        samples: What the last jobs like it took, newest first.
    """

    known: tuple[int, datetime, bool, bool]
    usual: tuple[int, str] | None
    samples: tuple[Sample, ...]

    @property
    def moment(self) -> datetime:
        """The database's time."""
        return self.known[1]


def number(job: Job) -> datetime:
    """Give a new job its number, and say of it what ``transitions.lock`` says of others; return the database's time."""
    with prepared.cursor() as cursor:
        cursor.execute(_NUMBER, [job.environment_id, job.project_id])
        return numbered(job, cursor.fetchone())


def numbered(job: Job, known: tuple[int, datetime, bool, bool]) -> datetime:
    """Do the same with what was read before."""
    job.pk, job.clock, job.is_told, job.has_secrets = known
    job.asks_slots = False
    return job.clock


def start_while_served(plan: Plan, now: datetime) -> Start | None:
    """Return what a new job begins with when somebody makes jobs: a worker that is not drained has said so within a lease."""
    since = now - timedelta(seconds=settings.CLARIVE_LEASE_SECONDS)
    rule, environment = plan.rule_id, plan.environment_id
    values: list[Any] = [
        *(rule, None, None, 0),
        *(environment, plan.project_id),
        *(rule, environment, environment, 0),
        *(json.dumps([CREATE_QUEUE]), since),
        *durations.newest_of(rule, environment),
    ]
    with prepared.cursor() as cursor:
        cursor.execute(_START, values)
        rows = cursor.fetchall()
    if not rows:
        return None
    here, anywhere = rows[0][4:6]
    usual = (
        (here, "environment") if here is not None else (anywhere, "rule") if anywhere is not None else None
    )
    # Without a sample the join leaves one row with nothing in it.
    found = [row[6:] for row in rows if row[6] is not None]
    return Start(rows[0][:4], usual, durations.samples_in(found, rule, environment))


def name_of(job: Job) -> str:
    """Return the name that a new job has by its number."""
    prefix = NAME_PREFIXES[JobType(job.type)]
    return str(settings.CLARIVE_JOB_NAME_MASK).format(
        prefix=prefix, environment=job.environment.code, seq=job.pk
    )
