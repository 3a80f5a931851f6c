"""Celery shells: each calls one function and may run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Task, shared_task

from jobs import creation, daemon, dispatch, fleet, runner, schedules
from jobs.execution import draining
from jobs.notifications import service
from jobs.retention import walk
from rules import roomy

if TYPE_CHECKING:
    AnyTask = Task[Any, Any]


@shared_task(name=dispatch.WORK, bind=True)
def work(self: AnyTask) -> None:
    """Run due jobs until none is left."""
    roomy.call(runner.work, fleet.process_name(self.request.hostname))


@shared_task(name=dispatch.CREATE, bind=True)
def create_job(self: AnyTask, request_id: str) -> None:
    """Run CHECK and INIT for somebody who waits."""
    roomy.call(creation.serve, request_id, fleet.process_name(self.request.hostname))


@shared_task(name=dispatch.RUN_SCHEDULES, bind=True)
def run_schedules(self: AnyTask) -> None:
    """Create the jobs of schedules that have come."""
    schedules.serve(fleet.process_name(self.request.hostname))


@shared_task(name=dispatch.NOTIFY)
def notify() -> None:
    """Tell people and programs what happened."""
    service.serve(draining.is_draining)


@shared_task(name=dispatch.RETAIN)
def retain() -> None:
    """Do one step of removing what policies let go."""
    walk.serve()


@shared_task(name=dispatch.TICK)
def tick() -> None:
    """Let the daemon do one round."""
    daemon.tick()
