"""What jobs refer to: projects and natures, read-only."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import selectors
from jobs.api import pagination
from jobs.api.serializers import represent_nature, represent_project
from jobs.api.views import user_of
from jobs.keyset import Ordering
from jobs.models import Project
from permissions import policy

BY_CODE = Ordering("code", "code", "str", tie="code")


class ProjectsView(APIView):
    """``projects/``."""

    query_parameters = pagination.PARAMETERS

    def get(self, request: Request) -> Response:
        """Return the projects, to whoever may see at least one environment."""
        user = user_of(request)
        codes = _codes(request)
        projects = selectors.visible_projects(user).prefetch_related("environments")

        def represent(project: Project) -> dict[str, Any]:
            return represent_project(project, codes)

        return pagination.paged(request, projects, BY_CODE, represent)


class ProjectView(APIView):
    """``projects/{code}/``."""

    def get(self, request: Request, code: str) -> Response:
        """Return one project."""
        project = get_object_or_404(selectors.visible_projects(user_of(request)), code=code)
        return Response(represent_project(project, _codes(request)))


class NaturesView(APIView):
    """``natures/``."""

    query_parameters = pagination.PARAMETERS

    def get(self, request: Request) -> Response:
        """Return the natures, to whoever may see at least one environment."""
        natures = selectors.visible_natures(user_of(request))
        return pagination.paged(request, natures, BY_CODE, represent_nature)


class NatureView(APIView):
    """``natures/{code}/``."""

    def get(self, request: Request, code: str) -> Response:
        """Return one nature."""
        return Response(
            represent_nature(get_object_or_404(selectors.visible_natures(user_of(request)), code=code))
        )


def _codes(request: Request) -> dict[int, str]:
    """Return the codes of the environments that the asker may see, by key."""
    return dict(policy.environments_for(user_of(request)).values_list("pk", "code"))
