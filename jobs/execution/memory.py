"""What a runner knows of a job from one step to the next, so that nothing is read twice while it has the job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from jobs import durations
from jobs.eta.forecast import Estimator, Seen
from jobs.log.writer import LogWriter
from jobs.models import Estimate, Job
from jobs.secrets.masking import Mask

_UNREAD: Final = object()


@dataclass(slots=True)
class Memory:
    """Of one claim on one job.

    Attributes:
        is_new_step: Whether this runner itself began the step at hand, so that nothing is recorded of it.
        seen: What is known of the attempt's operations; ``None`` before it was read.
        noted: What is said of the step that begins, to be written with whatever is written first.
        kept: Closes at its end what is open from one step to the next; whoever has the memory enters it.
    """

    is_new_step: bool = False
    seen: dict[str, Seen] | None = None
    noted: Estimate | None = None
    kept: ExitStack = field(default_factory=ExitStack)
    _log: LogWriter | None = None
    _estimator: object = field(default=_UNREAD)

    @contextmanager
    def log(self, job: Job, mask: Mask) -> Iterator[LogWriter]:
        """Give the log of a step; all steps without secrets have the same one, whose thread is started once.

        At the end of a step nothing waits in it, so one that has secrets, hidden by a log of its own, comes behind it.
        """
        assert job.claim is not None
        if mask:
            with LogWriter(job.pk, job.claim, job.attempt, filter_factory=mask.filter) as log:
                yield log
            return
        if self._log is None:
            self._log = self.kept.enter_context(LogWriter(job.pk, job.claim, job.attempt))
        yield self._log

    def estimator(self, job: Job) -> Estimator | None:
        """Return what forecasts the job, by the jobs that had finished when its runner took it; note what it says."""
        if self._estimator is _UNREAD:
            self._estimator = durations.estimator_of(job)
        if not isinstance(self._estimator, Estimator):
            return None
        if self.seen is None:
            self.seen = durations.seen_by(job)
        self.noted = durations.note(job, self._estimator, self.seen)
        return self._estimator

    def after(self, found: Mapping[str, Seen]) -> None:
        """Add what a walk has recorded."""
        if self.seen is not None:
            self.seen |= found
