"""Administration of the daemon and the workers: how they are, and draining a worker."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobs import overview, workers
from jobs.admin_base import ReadOnlyAdmin, author_of
from jobs.exceptions import UnknownWorker
from jobs.models import WorkerSeen
from jobs.monitor import times
from jobs.monitor.gate import reader
from jobs.overview import Level, WorkerState

DRAIN_PERMISSION: Final = "jobs.drain_worker"
STATES: Final[dict[str, Promise | str]] = {
    WorkerState.WORKING: _("Working"),
    WorkerState.IDLE: _("Idle"),
    WorkerState.DRAINING: _("Draining: ends its operation and hands over"),
    WorkerState.DRAINED: _("Drained: takes no new work"),
    WorkerState.GONE: _("Gone: no sign of life"),
}
LEVELS: Final[dict[str, Promise | str]] = {
    Level.OK: _("Good"),
    Level.WARNING: _("Attention"),
    Level.PROBLEM: _("Problem"),
}


class WorkerAdmin(ReadOnlyAdmin):
    """The page of the daemon and the workers takes the place of a list."""

    fields = readonly_fields = ("name", "place", "serves", "began", "was_seen")

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that drain a worker and let it work again."""
        view = self.admin_site.admin_view
        return [
            path("drain/", view(self.drain), name="jobs_workerseen_drain"),
            path("resume/", view(self.resume), name="jobs_workerseen_resume"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show how work goes; with ``part`` only what changes, for the page that asks again."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = overview.overview(reader(request), timezone.now())
        context = {
            "title": gettext("Daemon and workers"),
            "opts": self.opts,
            "overview": found,
            "rows": [(row, STATES[row.state], LEVELS[row.level]) for row in found.workers],
            "waits_for": _span(found.oldest_due, found.now),
            "counts": [
                (STATES[state], n) for state, n in Counter(row.state for row in found.workers).items()
            ],
            "labels": {
                "workers": LEVELS[found.workers_level],
                "daemon": LEVELS[found.daemon_level],
                "broker": LEVELS[found.broker_level],
                "queue": LEVELS[found.queue_level],
            },
            "may_drain": request.user.has_perm(DRAIN_PERMISSION),
            "tick_seconds": settings.CLARIVE_TICK_SECONDS,
            "lease_seconds": settings.CLARIVE_LEASE_SECONDS,
        }
        if "part" in request.GET:
            return TemplateResponse(request, "admin/jobs/workerseen/_daemon.html", context)
        context = {**self.admin_site.each_context(request), **context, **(extra_context or {})}
        return TemplateResponse(request, "admin/jobs/workerseen/daemon.html", context)

    @admin.display(description=_("Host and process"))
    def place(self, worker: WorkerSeen) -> str:
        """Say where it runs."""
        return f"{worker.host} {worker.pid}"

    @admin.display(description=_("Queues"))
    def serves(self, worker: WorkerSeen) -> str:
        """Name what it takes work from."""
        return ", ".join(worker.queues)

    @admin.display(description=_("Started"))
    def began(self, worker: WorkerSeen) -> datetime:
        """Say since when it is there."""
        return worker.started_at

    @admin.display(description=_("Last sign of life"))
    def was_seen(self, worker: WorkerSeen) -> datetime:
        """Say when it said so last."""
        return worker.seen_at

    def drain(self, request: HttpRequest) -> HttpResponse:
        """Ask whether a worker is to be drained, or do it."""
        return self._page(request, is_drain=True)

    def resume(self, request: HttpRequest) -> HttpResponse:
        """Ask whether a worker is to work again, or do it."""
        return self._page(request, is_drain=False)

    def _page(self, request: HttpRequest, *, is_drain: bool) -> HttpResponse:
        if not self.has_view_permission(request) or not request.user.has_perm(DRAIN_PERMISSION):
            raise PermissionDenied
        name = (request.POST if request.method == "POST" else request.GET).get("worker", "")
        now = timezone.now()
        row = overview.worker_named(reader(request), name, now) if name and "\0" not in name else None
        if row is None:
            raise Http404
        if request.method == "POST":
            return self._do(request, row.name, is_drain=is_drain)
        context = {
            **self.admin_site.each_context(request),
            "title": (gettext("Drain %(name)s") if is_drain else gettext("Let %(name)s work again"))
            % {"name": row.name},
            "opts": self.opts,
            "row": row,
            "is_drain": is_drain,
            "without": overview.left_without(row, now),
        }
        return TemplateResponse(request, "admin/jobs/workerseen/confirm.html", context)

    def _do(self, request: HttpRequest, name: str, *, is_drain: bool) -> HttpResponse:
        turn = workers.drain if is_drain else workers.resume
        try:
            changed = turn(name, author_of(request), now=timezone.now())
        except UnknownWorker:
            raise Http404 from None
        if not changed:
            text = (
                gettext("The worker %(name)s was drained already.")
                if is_drain
                else gettext("The worker %(name)s was not drained.")
            )
            messages.info(request, text % {"name": name})
        elif is_drain:
            messages.success(
                request, gettext("The worker %(name)s takes no new work from now on.") % {"name": name}
            )
        else:
            messages.success(request, gettext("The worker %(name)s takes work again.") % {"name": name})
        return redirect("admin:jobs_workerseen_changelist")


def _span(since: datetime | None, now: datetime) -> str:
    """Return in words how long ago something was; empty for never."""
    return "" if since is None else times.rough((now - since).total_seconds())
