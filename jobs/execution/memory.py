"""What a runner knows of a job from one step to the next, so that nothing is read twice while it has the job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from jobs import durations
from jobs.eta.forecast import Forecast, Seen
from jobs.eta.notebook import Notebook
from jobs.log.writer import LogWriter
from jobs.models import Job
from jobs.secrets.masking import Mask

_UNREAD: Final = object()


@dataclass(slots=True)
class Memory:
    """Of one claim on one job.

    Attributes:
        is_new_step: Whether this runner itself began the step at hand, so that nothing is recorded of it.
        seen: What is known of the attempt's operations; ``None`` before it was read.
        kept: Closes at its end what is open from one step to the next; whoever has the memory enters it.
    """

    is_new_step: bool = False
    seen: dict[str, Seen] | None = None
    kept: ExitStack = field(default_factory=ExitStack)
    _log: LogWriter | None = None
    _notebook: object = field(default=_UNREAD)

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

    def notebook(self, job: Job) -> Notebook | None:
        """Return what forecasts the job, by the jobs that had finished when its runner took it, and notes what it says."""
        if self._notebook is _UNREAD:
            self._notebook = self._open(job)
        if not isinstance(self._notebook, Notebook):
            return None
        if job.forecast is not None:
            # What was said while the job waited: when it was made, at a rerun, after an approval.
            said, now = Forecast.from_data(job.forecast), datetime.now(UTC)
            done, expected = job.operations_done, job.operations_expected
            self._notebook.hear(said, job.step, now, done=done, expected=expected)
        return self._notebook

    def _open(self, job: Job) -> Notebook | None:
        estimator = durations.estimator_of(job)
        if estimator is None:
            return None
        if self.seen is None:
            self.seen = durations.seen_by(job)
        return Notebook(estimator, self.seen)

    def after(self, found: Mapping[str, Seen]) -> None:
        """Add what a walk has recorded."""
        if self.seen is not None:
            self.seen |= found
