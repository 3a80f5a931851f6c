"""What can go wrong with a job, as one tree of errors with stable codes.

Data are attributes, HTTP is ``jobs.api.errors``' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class JobError(Exception):
    """Root of the errors of this app. ``code`` is stable and part of the API."""

    code = "job_error"


class TransitionNotAllowed(JobError):
    """The event is not in the table for this state. Also raised with the job's name once that is known."""

    code = "transition_not_allowed"

    def __init__(self, step: str, status: str, event: str, job_name: str = "") -> None:
        subject = f"The job {job_name}" if job_name else "A job"
        super().__init__(f"{subject} is at {step} / {status}; {event} is not possible there.")
        self.step, self.status, self.event, self.job_name = step, status, event, job_name


class JobChanged(JobError):
    """The job is no longer as the asker saw it, so the asker may want to decide anew."""

    code = "job_changed"

    def __init__(self, job_name: str, attempt: int, status: str) -> None:
        super().__init__(f"The job {job_name} has changed: it is {status} in attempt {attempt} now.")
        self.job_name, self.attempt, self.status = job_name, attempt, status


class StaleClaim(JobError):
    """A runner whose claim is gone tried to write. It must stop and write nothing more."""

    code = "stale_claim"

    def __init__(self, job_id: int) -> None:
        super().__init__(f"The claim on job {job_id} is gone: nothing was written.")
        self.job_id = job_id


class JobNotFound(JobError):
    """No such job, or none that this user may know of."""

    code = "not_found"

    def __init__(self, job_id: int) -> None:
        super().__init__(f"There is no job {job_id}.")
        self.job_id = job_id


class InvalidInput(JobError):
    """What a person or program sent is not usable; nothing was changed.

    Attributes:
        errors: Messages by field name, ``revisions[0].ref`` style for nested ones.
    """

    code = "invalid"

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(f"{field}: {' '.join(messages)}" for field, messages in errors.items()))
        self.errors = {field: list(messages) for field, messages in errors.items()}


class Gone(JobError):
    """It was deleted while somebody else wanted to do something to it."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__("It has been deleted meanwhile.")


class AskerGone(JobError):
    """Who asked was deleted or made inactive before it was done."""

    code = "authentication_failed"

    def __init__(self) -> None:
        super().__init__("The user is inactive or gone.")


class TooMany(JobError):
    """More jobs match than may be meant at once; nothing was done to any of them."""

    code = "too_many"

    def __init__(self, matching: int, most: int) -> None:
        super().__init__(f"{matching} jobs match, and at most {most} may be meant: narrow the filter.")
        self.matching, self.most = matching, most


class RevisionInActiveJob(JobError):
    """A revision of the project is under way into this environment already."""

    code = "revision_in_active_job"

    def __init__(self, sha: str, job_id: int | None, job_name: str) -> None:
        super().__init__(f"The revision {sha[:12]} is in the active job {job_name} already.")
        self.sha, self.job_id, self.job_name = sha, job_id, job_name


class CheckFailed(JobError):
    """CHECK refused the job; the message is the rule's, ``log`` holds level and text of the last lines."""

    code = "check_failed"

    def __init__(self, message: str, operation: str = "", log: Sequence[Sequence[str]] = ()) -> None:
        super().__init__(message)
        self.operation, self.log = operation, log


class AlreadySigned(JobError):
    """The person has signed this approval: one person counts once."""

    code = "already_signed"

    def __init__(self, job_name: str, username: str) -> None:
        super().__init__(f"{username} has signed this approval of {job_name} already.")
        self.job_name, self.username = job_name, username


class CreatorExcluded(JobError):
    """Who created the job may not sign this approval, whatever rights they hold."""

    code = "creator_excluded"

    def __init__(self, job_name: str) -> None:
        super().__init__(f"Who created {job_name} may not sign this approval.")
        self.job_name = job_name


class NoRetriesLeft(JobError):
    """The trap has been retried as often as the rule allows; skip, abort and cancel remain."""

    code = "no_retries_left"

    def __init__(self, job_name: str, most: int) -> None:
        super().__init__(f"The trap of {job_name} was retried {most} times, which is all the rule allows.")
        self.job_name, self.most = job_name, most


class SemaphoreDeadlock(JobError):
    """Whoever holds the semaphore waits, directly or not, for what the asking job holds."""

    code = "semaphore_deadlock"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Waiting for the semaphore {name} would never end: its holders wait for what this job holds."
        )
        self.name = name


class LaterJobs(JobError):
    """Later jobs of the same project and environment stand on what is to be undone.

    Attributes:
        jobs: Number and name of each, newest first; some of them when there are many.
    """

    code = "later_jobs"

    def __init__(self, job_name: str, jobs: Sequence[tuple[int, str]]) -> None:
        named = ", ".join(name for _, name in jobs)
        super().__init__(f"Later jobs stand on what {job_name} did: {named}. Undo them first, or force it.")
        self.job_name, self.jobs = job_name, list(jobs)


class NoWorker(JobError):
    """No worker took the request up in time. There is no job, also when a worker takes it up later."""

    code = "no_worker"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"No worker answered within {seconds:g} seconds. No job was created; try again.")
        self.seconds = seconds


class JobDefect(JobError):
    """Something that cannot be, such as a pinned rule version that does not parse. A defect, not a person's mistake."""

    code = "defect"

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.details = dict(details or {})


class UnknownWorker(JobError):
    """No worker of this name was seen."""

    code = "unknown_worker"

    def __init__(self, name: str) -> None:
        super().__init__(f"No worker {name} was seen.")
        self.name = name
