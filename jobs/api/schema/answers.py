"""Shapes of the answers about jobs and what belongs to them.

They only describe: answers are made by the ``represent_*`` functions, and tests hold every answer against these.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from jobs.api import probes
from jobs.api.actions import TRAP_ANSWERS
from jobs.api.log import LEVELS
from jobs.api.schema.fields import Word
from jobs.choices import JobType, OperationStatus, OutcomeChoice, RollbackState, StatusChoice, StepChoice
from jobs.log.codec import Stream
from jobs.models import AuditRecord, Contents, Trap

ACTIONS = (
    "rerun", "reschedule", "run_now", "cancel", "approve", "reject", "retry", "skip", "abort", "pause", "resume",
    "rollback", "delete", "comment",
)  # fmt: skip
APART = ("hold", "release")
"""What does not move a job on: for several jobs, not among what a job offers."""

BLOCKERS = ("schedule", "approval", "trap", "semaphore", "worker", "daemon")
BASES = ("environment", "rule", "tree")

assert set(TRAP_ANSWERS) < set(ACTIONS)


def status(**options: object) -> Word:
    """Return a field for the status of a job."""
    return Word(StatusChoice.values, component="Status", **options)


def step(**options: object) -> Word:
    """Return a field for the step of a job."""
    return Word(StepChoice.values, component="Step", **options)


class RevisionAnswer(serializers.Serializer[Any]):
    """What is deployed: what was asked for and the commit that it was."""

    ref = serializers.CharField()
    sha = serializers.CharField()


class RemainingAnswer(serializers.Serializer[Any]):
    """Seconds of work that remain, human waits left out."""

    p50 = serializers.FloatField()
    p90 = serializers.FloatField()


class ProgressAnswer(serializers.Serializer[Any]):
    """How far a job is, measured by the jobs of the same rule that have run."""

    operations_done = serializers.IntegerField(min_value=0)
    operations_expected = serializers.IntegerField(min_value=0)
    percent = serializers.IntegerField(min_value=0, max_value=100)
    basis = Word(BASES, help_text="What the expectation rests on.")
    eta = RemainingAnswer(allow_null=True)


class JobAnswer(serializers.Serializer[Any]):
    """A job as lists show it."""

    id = serializers.IntegerField(min_value=1)
    name = serializers.CharField()
    type = Word(JobType.values, component="JobType")
    rule = serializers.CharField(help_text="Slug of the rule.")
    rule_version = serializers.IntegerField(min_value=1, help_text="The version that the job runs.")
    environment = serializers.CharField(help_text="Code of the environment.")
    project = serializers.CharField(allow_null=True, help_text="Code of the project.")
    revisions = RevisionAnswer(many=True)
    natures = serializers.ListField(
        child=serializers.CharField(), help_text="Codes of the natures of its contents."
    )
    status = status()
    step = step()
    outcome = Word(
        OutcomeChoice.values, component="Outcome", allow_null=True, help_text="Result so far of PRE and RUN."
    )
    attempt = serializers.IntegerField(min_value=1)
    urgent = serializers.BooleanField()
    comment = serializers.CharField()
    variables = serializers.DictField(help_text="Those given at creation.")
    created_by = serializers.CharField(help_text="Name of the user.")
    created_at = serializers.DateTimeField()
    scheduled_at = serializers.DateTimeField(help_text="From when on RUN may begin.")
    max_start_at = serializers.DateTimeField(help_text="When RUN has not begun by then, the job expires.")
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    rollback = Word(RollbackState.values, help_text="How far undoing is.")
    progress = ProgressAnswer()


class TrapAnswer(serializers.Serializer[Any]):
    """A held error that waits for a person. While it is paused its clock stands and there is no deadline."""

    operation = serializers.CharField()
    name = serializers.CharField()
    error = serializers.CharField()
    trapped_at = serializers.DateTimeField()
    deadline = serializers.DateTimeField(allow_null=True)
    remaining_seconds = serializers.IntegerField()
    on_timeout = Word([Trap.Answer.ABORT.value, Trap.Answer.SKIP.value, Trap.Answer.RETRY.value])
    retries = serializers.IntegerField(min_value=0)
    max_retries = serializers.IntegerField(min_value=0, help_text="0 for no limit.")


class SignatureAnswer(serializers.Serializer[Any]):
    """One person's approval."""

    user = serializers.CharField()
    at = serializers.DateTimeField()
    comment = serializers.CharField()


class ApprovalAnswer(serializers.Serializer[Any]):
    """An approval that a job waits for."""

    operation = serializers.CharField()
    name = serializers.CharField()
    approvers = serializers.ListField(child=serializers.CharField(), help_text="user:ana or group:qa.")
    min = serializers.IntegerField(min_value=1, help_text="How many must approve.")
    exclude_creator = serializers.BooleanField()
    requested_at = serializers.DateTimeField()
    approved_by = SignatureAnswer(many=True)


class BlockerAnswer(serializers.Serializer[Any]):
    """One reason why a job waits."""

    kind = Word(BLOCKERS)
    detail = serializers.CharField(help_text="A sentence.")
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    who = serializers.ListField(
        child=serializers.CharField(), help_text="Principals that can end it: user:ana or group:ops."
    )


class JobDetailAnswer(JobAnswer):
    """All of one job."""

    actions = serializers.ListField(
        child=Word(ACTIONS, component="Action"), help_text="What the asker may do to the job now."
    )
    trap = TrapAnswer(allow_null=True)
    approval = ApprovalAnswer(allow_null=True)
    blockers = BlockerAnswer(many=True)


class CountsAnswer(serializers.Serializer[Any]):
    """Jobs by status; every status is there."""


for _status in StatusChoice.values:
    CountsAnswer._declared_fields[_status] = serializers.IntegerField(min_value=0)


class SummaryAnswer(serializers.Serializer[Any]):
    """How many jobs there are."""

    total = serializers.IntegerField(min_value=0)
    by_status = CountsAnswer()


class LogEntryAnswer(serializers.Serializer[Any]):
    """One line of a log."""

    id = serializers.IntegerField(min_value=0, help_text="Grows within the log of a job.")
    at = serializers.DateTimeField()
    attempt = serializers.IntegerField(min_value=1)
    step = Word(StepChoice.values, component="Step", allow_null=True)
    operation = serializers.CharField(allow_null=True, help_text="Id of the operation.")
    level = Word(LEVELS, component="Level")
    stream = Word([stream.code for stream in Stream])
    text = serializers.CharField()
    user = serializers.CharField(allow_null=True, help_text="Who wrote a comment.")


class OperationAnswer(serializers.Serializer[Any]):
    """One operation of an attempt."""

    path = serializers.CharField(help_text="Its place in the rule.")
    id = serializers.CharField()
    name = serializers.CharField()
    key = serializers.CharField(help_text="Of the palette, such as run.")
    step = Word(["CHECK", *StepChoice.values])
    status = Word(OperationStatus.values, component="OperationStatus")
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    usual_seconds = serializers.FloatField(allow_null=True)


class AuditRecordAnswer(serializers.Serializer[Any]):
    """One decision about a job."""

    id = serializers.IntegerField(min_value=1)
    at = serializers.DateTimeField()
    user = serializers.CharField(allow_null=True)
    action = serializers.CharField()
    from_status = Word(StatusChoice.values, component="Status", allow_null=True)
    to_status = Word(StatusChoice.values, component="Status", allow_null=True)
    step = Word(StepChoice.values, component="Step", allow_null=True)
    attempt = serializers.IntegerField(allow_null=True)
    comment = serializers.CharField()
    source = Word(AuditRecord.Source.values)  # type: ignore[assignment]
    address = serializers.CharField(help_text="Network address of who asked.")


class CommitAnswer(serializers.Serializer[Any]):
    """One commit of a project."""

    sha = serializers.CharField()
    author = serializers.CharField()
    at = serializers.CharField(
        allow_null=True, help_text="When it was written, ISO 8601; null when its date is none."
    )
    subject = serializers.CharField()


class MovedAnswer(serializers.Serializer[Any]):
    """A tag that names another commit than when the job was created, or a ref that is gone."""

    ref = serializers.CharField()
    pinned = serializers.CharField(help_text="The commit that the job deploys.")
    now = serializers.CharField(help_text="What the ref names now; empty when it is gone.")


class BaseAnswer(serializers.Serializer[Any]):
    """What the contents are compared with: what was deployed there."""

    sha = serializers.CharField()
    job = serializers.IntegerField(allow_null=True, help_text="Which brought it; null when it was deleted.")
    job_name = serializers.CharField(allow_null=True)


class ContentsAnswer(serializers.Serializer[Any]):
    """What a job carries, as it was settled when PRE began."""

    state = Word(Contents.State.values, allow_null=True, help_text="Null until it is settled.")
    attempt = serializers.IntegerField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField(help_text="What is wrong, in sentences.")
    base = BaseAnswer(allow_null=True)
    files = serializers.IntegerField(allow_null=True, help_text="Paths in which natures were looked for.")
    all_files = serializers.BooleanField(allow_null=True, help_text="All files, not only changed ones.")
    natures = serializers.ListField(child=serializers.CharField())
    commits = CommitAnswer(many=True, help_text="The newest first, at most 1,000.")
    commits_count = serializers.IntegerField(allow_null=True)
    backed_out = CommitAnswer(many=True, help_text="Commits that go with the job.")
    backed_out_count = serializers.IntegerField(allow_null=True)
    moved = MovedAnswer(many=True)


class EnvironmentAnswer(serializers.Serializer[Any]):
    """Where jobs deploy to; durations in seconds."""

    code = serializers.CharField()
    name = serializers.CharField()
    order = serializers.IntegerField(min_value=0)
    colour = serializers.CharField()
    expiry = serializers.IntegerField(min_value=0)
    expiry_urgent = serializers.IntegerField(min_value=0)
    variables = serializers.DictField()


class ProjectEnvironmentAnswer(serializers.Serializer[Any]):
    """What a project has in one environment."""

    variables = serializers.DictField()


class ProjectAnswer(serializers.Serializer[Any]):
    """What jobs deploy. Of its environments those that the asker may see."""

    code = serializers.CharField()
    name = serializers.CharField()
    repository = serializers.CharField(help_text="*** stands for user and password.")
    credential = serializers.CharField(help_text="Name of the secret that opens it; empty for none.")
    username = serializers.CharField(
        help_text="Whom that secret belongs to; empty for the one in the address."
    )
    variables = serializers.DictField()
    environments = serializers.DictField(child=ProjectEnvironmentAnswer(), help_text="By code.")


class NatureAnswer(serializers.Serializer[Any]):
    """A technology that contents are recognised by."""

    code = serializers.CharField()
    name = serializers.CharField()
    include = serializers.ListField(child=serializers.CharField())
    exclude = serializers.ListField(child=serializers.CharField())


class BulkDoneAnswer(serializers.Serializer[Any]):
    """A job to which it was done."""

    id = serializers.IntegerField(min_value=1)
    name = serializers.CharField()
    status = status()
    attempt = serializers.IntegerField(min_value=1)


class BulkRefusedAnswer(serializers.Serializer[Any]):
    """A job to which it was not done, and why: what a problem says, `code` and `detail` at least."""

    id = serializers.IntegerField()
    name = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()
    right = serializers.CharField(required=False, help_text="With `right_missing`.")
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(), required=False, help_text="What is wrong with the input."
    )
    job = serializers.DictField(required=False, help_text="With `revision_in_active_job`.")
    jobs = serializers.ListField(
        child=serializers.DictField(), required=False, help_text="With `later_jobs`."
    )


class BulkAnswer(serializers.Serializer[Any]):
    """What an action did to several jobs."""

    action = Word((*ACTIONS, *APART), component="BulkAction")
    dry_run = serializers.BooleanField()
    done = BulkDoneAnswer(many=True)
    refused = BulkRefusedAnswer(many=True)


class HealthAnswer(serializers.Serializer[Any]):
    """This process answers."""

    status = Word((probes.OK,))


class CheckAnswer(serializers.Serializer[Any]):
    """How one part is."""

    ok = serializers.BooleanField()
    detail = serializers.CharField(help_text="A sentence.")


class ChecksAnswer(serializers.Serializer[Any]):
    """How each part is."""

    database = CheckAnswer()
    broker = CheckAnswer()
    worker = CheckAnswer(help_text="Workers that take jobs, and workers that create them.")
    daemon = CheckAnswer()


class ReadinessAnswer(serializers.Serializer[Any]):
    """Whether jobs can be created and run."""

    status = Word((probes.OK, probes.UNAVAILABLE))
    checks = ChecksAnswer()
