"""How much work is left of a job, for people."""

from __future__ import annotations

from datetime import datetime

from jobs.list_rows import Listed
from jobs.models import Job
from jobs.monitor import times


def span(job: Job | Listed, now: datetime) -> str:
    """Return the range of remaining work, ``3–7 min``; an empty text when nothing is known of it, and once the job ended."""
    eta = job.eta(now)
    return times.between(eta.p50, eta.p90) if eta is not None else ""
