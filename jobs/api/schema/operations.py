"""What each operation is called, how it answers when it goes well, and how it may refuse."""

from __future__ import annotations

from typing import Final

from jobs.api.schema import answers
from jobs.api.schema.operation import LOCATION, Answer, Operation
from jobs.api.schema.operations_settings import SETTINGS
from permissions.api.answers import MeAnswer
from rules.api.answers import RuleAnswer, RuleVersionAnswer, ValidationAnswer

EVERYWHERE: Final = ("bad_request", "invalid", "not_acceptable", "throttled", "internal_error", "unavailable")
PROBED: Final = ("bad_request", "internal_error")
"""What may be wrong with a probe, of the same."""
SIGNED_IN: Final = ("not_authenticated", "authentication_failed")
CHANGING: Final = ("changed_meanwhile",)
WRITING: Final = ("permission_denied",)
WITH_BODY: Final = ("malformed", "too_large", "unsupported_media_type")
KEYED: Final = ("idempotency_key_reused", "idempotency_key_in_use")
ONE_OF_MANY: Final = ("not_found",)


_TEXT: Final = {"type": "string", "description": "The lines as they were written."}
_LINES: Final = {"type": "string", "description": "One LogEntry as JSON a line."}
_EVENTS: Final = {
    "type": "string",
    "description": (
        'Server-sent events: `event: job` with a Job as JSON, `event: log` with `{"job": 42, "entry": LogEntry}`, each '
        "with an `id` that `Last-Event-ID` goes on from. With `hints=true`: `event: begin`, `event: changed` with "
        '`{"jobs": [42]}`, `event: rights`.'
    ),
}
_FIGURES: Final = {"type": "string", "description": "Prometheus' text format."}
_DOCUMENT: Final = {"type": "object", "additionalProperties": {}}

_ACTION: Final = ("right_missing", "transition_not_allowed", "job_changed")


def _action(name: str, summary: str, text: str, *codes: str) -> Operation:
    whole = f"{text} Answers with the job as it is then. With `seen` nothing is done when the job has changed meanwhile."
    return Operation(name, summary, answers.JobDetailAnswer, codes=(*_ACTION, *codes), text=whole)


def _catalogue(one: str, many: str, answer: Answer) -> dict[str, Operation]:
    """Return the operations of a kind of thing that administrators write."""
    return {
        f"GET {many}/": Operation(f"list_{many}", f"List {many}", answer, page=True),
        f"POST {many}/": Operation(
            f"create_{one}",
            f"Create {_a(one)}",
            answer,
            status=201,
            codes=("code_taken",),
            headers=LOCATION,
        ),
        f"GET {many}/{{code}}/": Operation(f"get_{one}", f"Read {_a(one)}", answer),
        f"PATCH {many}/{{code}}/": Operation(f"change_{one}", f"Change {_a(one)}", answer),
        f"DELETE {many}/{{code}}/": Operation(
            f"delete_{one}", f"Delete {_a(one)}", status=204, codes=("referenced",)
        ),
    }


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


OPERATIONS: Final[dict[str, Operation]] = {
    "GET jobs/": Operation("list_jobs", "List jobs", answers.JobAnswer, page=True),
    "POST jobs/": Operation(
        "create_job",
        "Create a job",
        answers.JobDetailAnswer,
        status=201,
        codes=("right_missing", "revision_in_active_job", "check_failed", "no_worker", "not_found"),
        headers=LOCATION,
    ),
    "GET jobs/summary/": Operation("count_jobs", "Count jobs by status", answers.SummaryAnswer),
    "GET jobs/{job_id}/": Operation("get_job", "Read a job", answers.JobDetailAnswer),
    "DELETE jobs/{job_id}/": Operation("delete_job", "Delete a job", status=204, codes=_ACTION),
    "GET jobs/{job_id}/log/": Operation("get_job_log", "Read the log", answers.LogEntryAnswer, page=True),
    "GET jobs/{job_id}/log/download/": Operation(
        "download_job_log",
        "Download the log",
        lasts=True,
        media={"text/plain": _TEXT, "application/x-ndjson": _LINES},
    ),
    "GET jobs/{job_id}/operations/": Operation(
        "list_job_operations", "List the operations of an attempt", answers.OperationAnswer, page=True
    ),
    "GET jobs/{job_id}/contents/": Operation(
        "get_job_contents", "Read what a job carries", answers.ContentsAnswer
    ),
    "GET jobs/{job_id}/audit/": Operation(
        "list_job_audit", "List who did what", answers.AuditRecordAnswer, page=True
    ),
    "POST jobs/{job_id}/rerun/": _action(
        "rerun_job",
        "Rerun a job from a step",
        "Runs `step` and all steps after it again; variables and the results of earlier steps are kept. `from_operation` "
        "begins at one operation of the step. `outcome` is for POST only. Not while the job runs or is trapped.",
    ),
    "POST jobs/{job_id}/reschedule/": _action(
        "reschedule_job",
        "Reschedule a job",
        "Moves the date from which on RUN may begin; `max_start_at` follows unless it is given. Only before RUN has begun.",
    ),
    "POST jobs/{job_id}/run_now/": _action(
        "run_job_now", "Run a job now", "Brings the date from which on RUN may begin to this moment."
    ),
    "POST jobs/{job_id}/cancel/": _action(
        "cancel_job",
        "Cancel a job",
        "Ends an active job at once, with its processes on the worker's machine. What they started elsewhere is not stopped.",
    ),
    "POST jobs/{job_id}/rollback/": _action(
        "roll_back_job",
        "Roll a job back",
        "Undoes every completed operation of an ended job, last first. While later jobs stand on it only with `force`, which "
        "needs a comment.",
        "later_jobs",
    ),
    "POST jobs/{job_id}/approve/": _action(
        "approve_job",
        "Approve a job",
        "Signs the approval that the job waits for; with enough signatures it goes on.",
        "already_signed",
        "creator_excluded",
    ),
    "POST jobs/{job_id}/reject/": _action(
        "reject_job",
        "Reject a job",
        "Refuses the approval that the job waits for, which ends the job. Needs a comment.",
        "already_signed",
        "creator_excluded",
    ),
    "POST jobs/{job_id}/trap/": _action(
        "answer_trap",
        "Answer a trap",
        "Says how a trapped job goes on: `retry` the operation, `skip` it, `abort` the step, `pause` the clock or `resume` it.",
        "no_retries_left",
    ),
    "POST jobs/{job_id}/comment/": _action(
        "comment_job", "Comment on a job", "Writes an entry into the log; possible in every status."
    ),
    "POST jobs/{job_id}/hold/": _action(
        "hold_job",
        "Put a job on hold",
        "No retention policy takes anything of the job until it is released. People may delete it nevertheless.",
    ),
    "POST jobs/{job_id}/release/": _action(
        "release_job", "Release a job", "Retention policies decide about the job again."
    ),
    **_catalogue("environment", "environments", answers.EnvironmentAnswer),
    **_catalogue("project", "projects", answers.ProjectAnswer),
    **_catalogue("nature", "natures", answers.NatureAnswer),
    "GET rules/": Operation("list_rules", "List rules", RuleAnswer, page=True),
    "POST rules/": Operation(
        "create_rule",
        "Publish a new rule",
        RuleAnswer,
        status=201,
        codes=("rule_invalid", "rule_exists"),
        headers=LOCATION,
    ),
    "GET rules/{slug}/": Operation("get_rule", "Read a rule", RuleAnswer),
    "GET rules/{slug}/versions/": Operation(
        "list_rule_versions", "List the versions of a rule", RuleVersionAnswer, page=True
    ),
    "POST rules/{slug}/versions/": Operation(
        "publish_rule_version",
        "Publish a version of a rule",
        RuleVersionAnswer,
        status=201,
        also={200: "The newest version has this source already."},
        codes=("rule_invalid",),
    ),
    "POST rules/validate/": Operation("validate_rule", "Look for mistakes in a rule", ValidationAnswer),
    "POST jobs/bulk/": Operation(
        "act_on_jobs", "Do one action to several jobs", answers.BulkAnswer, codes=("too_many", "not_found")
    ),
    "GET jobs/{job_id}/wait/": Operation(
        "wait_for_job", "Wait for a job", answers.JobDetailAnswer, also={202: "Not yet; ask again."}
    ),
    "GET stream/": Operation(
        "stream_events",
        "Read what happens, as it happens",
        lasts=True,
        media={"text/event-stream": _EVENTS},
        codes=("not_found",),
        also={204: "Hints are not to be had: the server has no event loop."},
    ),
    **SETTINGS,
    "GET /healthz": Operation(
        "get_health", "Is this process alive", answers.HealthAnswer, tag="health", lasts=True, probe=True
    ),
    "GET /readyz": Operation(
        "get_readiness",
        "Are all parts there",
        answers.ReadinessAnswer,
        tag="health",
        lasts=True,
        probe=True,
        also={503: "At least one part is not there; `checks` says which."},
    ),
    "GET /metrics": Operation(
        "get_metrics",
        "Read figures for Prometheus",
        tag="health",
        lasts=True,
        probe=True,
        codes=("unavailable",),
        media={"text/plain": _FIGURES},
    ),
    "GET /api/schema/": Operation(
        "get_schema",
        "Read this description",
        media={"application/json": _DOCUMENT, "application/yaml": _DOCUMENT},
    ),
    "GET me/": Operation("get_me", "Who am I", MeAnswer),
}
"""By method and what follows ``/api/v1/``, or the whole address of what is not under it."""
