"""Whether a subscription wants a notice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from jobs.models import Job, Notice, Subscription

CONDITIONS: Final = ("events", "environments", "projects", "statuses")


def any_wants(subscriptions: Iterable[Subscription], job: Job, event: str) -> bool:
    """Return whether one of them wants to hear that ``event`` happened to ``job``, which is as it is then."""
    project = job.project.code if job.project else ""
    return any(_wants(each, event, job.environment.code, project, job.status) for each in subscriptions)


def wants(subscription: Subscription, notice: Notice) -> bool:
    """Return whether the subscription wants the notice."""
    return _wants(subscription, notice.event, notice.environment, notice.project, notice.status)


def _wants(subscription: Subscription, *facts: str) -> bool:
    return all(
        not getattr(subscription, name) or fact in getattr(subscription, name)
        for name, fact in zip(CONDITIONS, facts, strict=True)
    )
