"""Tables of the jobs app."""

from jobs.models.audit import AuditRecord
from jobs.models.content import Contents, JobNature, JobRevision, Nature
from jobs.models.creation import CreationRequest
from jobs.models.deployment import Deployment
from jobs.models.event import Event
from jobs.models.fleet import DaemonState, WorkerDrain, WorkerSeen
from jobs.models.idempotency import IdempotencyKey
from jobs.models.job import Job
from jobs.models.log_chunk import LogChunk
from jobs.models.notices import Attempt, Delivery, MailChoice, Notice, NoticeServer, Subscription
from jobs.models.project import Project, ProjectEnvironment
from jobs.models.retention import JobHold, JobTrim, LogTable, RetentionPolicy, RetentionState
from jobs.models.schedule import Schedule, ScheduleRun
from jobs.models.secret import Secret
from jobs.models.step_run import OperationRun, StepRun
from jobs.models.timing import Estimate, Timing
from jobs.models.view import SavedView, UsualView
from jobs.models.waits import Approval, ApprovalSignature, Semaphore, SemaphoreRequest, Trap

__all__ = [
    "Approval",
    "ApprovalSignature",
    "Attempt",
    "AuditRecord",
    "Contents",
    "CreationRequest",
    "DaemonState",
    "Delivery",
    "Deployment",
    "Estimate",
    "Event",
    "IdempotencyKey",
    "Job",
    "JobHold",
    "JobNature",
    "JobRevision",
    "JobTrim",
    "LogChunk",
    "LogTable",
    "MailChoice",
    "Nature",
    "Notice",
    "NoticeServer",
    "OperationRun",
    "Project",
    "ProjectEnvironment",
    "RetentionPolicy",
    "RetentionState",
    "SavedView",
    "Schedule",
    "ScheduleRun",
    "Secret",
    "Semaphore",
    "SemaphoreRequest",
    "StepRun",
    "Subscription",
    "Timing",
    "Trap",
    "UsualView",
    "WorkerDrain",
    "WorkerSeen",
]
