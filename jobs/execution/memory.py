"""What a runner knows of a job from one step to the next, so that nothing is read twice while it has the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from jobs import durations
from jobs.eta.forecast import Estimator, Seen
from jobs.models import Estimate, Job

_UNREAD: Final = object()


@dataclass(slots=True)
class Memory:
    """Of one claim on one job.

    Attributes:
        is_new_step: Whether this runner itself began the step at hand, so that nothing is recorded of it.
        seen: What is known of the attempt's operations; ``None`` before it was read.
        noted: What is said of the step that begins, to be written with whatever is written first.
    """

    is_new_step: bool = False
    seen: dict[str, Seen] | None = None
    noted: Estimate | None = None
    _estimator: object = field(default=_UNREAD)

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
