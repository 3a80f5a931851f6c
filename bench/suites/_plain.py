"""The floors of lists: a plain view of Django REST framework, and SQL alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from django.test import RequestFactory
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.models import Job

_JSON = """
SELECT json_agg(row_to_json(found)) FROM (
    SELECT job.id, job.name, job.type, rule.slug, environment.code, project.code AS project, job.status, job.step,
        job.outcome, job.attempt, job.urgent, job.comment, job.variables, creator.username, job.created_at,
        job.scheduled_at, job.max_start_at, job.started_at, job.finished_at, job.rollback, job.percent
    FROM jobs_job job JOIN rules_rule rule ON rule.id = job.rule_id
    JOIN permissions_environment environment ON environment.id = job.environment_id
    LEFT JOIN jobs_project project ON project.id = job.project_id
    JOIN permissions_user creator ON creator.id = job.created_by_id
    WHERE job.id = ANY(%s) ORDER BY job.id DESC
) found
"""


class PlainJobs(serializers.ModelSerializer[Job]):
    """The fields that a list shows, but for revisions and natures, which one query does not have."""

    rule = serializers.SlugRelatedField("slug", read_only=True)  # type: ignore[var-annotated]
    environment = serializers.SlugRelatedField("code", read_only=True)  # type: ignore[var-annotated]
    project = serializers.SlugRelatedField("code", read_only=True)  # type: ignore[var-annotated]
    created_by = serializers.SlugRelatedField("username", read_only=True)  # type: ignore[var-annotated]
    rule_version = serializers.SlugRelatedField("number", read_only=True)  # type: ignore[var-annotated]

    class Meta:
        model = Job
        fields = (
            "id", "name", "type", "rule", "rule_version", "environment", "project", "status", "step", "outcome",
            "attempt", "urgent", "comment", "variables", "created_by", "created_at", "scheduled_at", "max_start_at",
            "started_at", "finished_at", "rollback", "operations_done", "operations_expected", "percent",
            "progress_basis",
        )  # fmt: skip


def plain_view(numbers: Sequence[int]) -> Callable[[], object]:
    """Return what answers with these jobs: one query by their numbers."""
    keys = list(numbers)

    class View(APIView):
        authentication_classes = ()
        permission_classes = (AllowAny,)
        renderer_classes = (JSONRenderer,)

        def get(self, request: Request) -> Response:
            related = ("rule", "rule_version", "environment", "project", "created_by")
            jobs = Job.objects.filter(pk__in=keys).select_related(*related).order_by("-id")
            return Response({"next": None, "previous": None, "results": PlainJobs(jobs, many=True).data})

    view, factory = View.as_view(), RequestFactory()

    def ask() -> Any:
        answer = view(factory.get("/jobs/"))
        return answer.render()

    return ask


def sql_page(numbers: Sequence[int]) -> object:
    """Return these jobs as JSON, made by PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute(_JSON, [list(numbers)])
        return cursor.fetchone()
