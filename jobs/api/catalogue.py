"""Environments, projects and natures: read by those who may see them, written by administrators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import selectors
from jobs.actions import catalogue
from jobs.api import pagination
from jobs.api.catalogue_bodies import (
    CatalogueSerializer,
    EnvironmentSerializer,
    NatureSerializer,
    ProjectSerializer,
)
from jobs.api.serializers import represent_environment, represent_nature, represent_project
from jobs.api.views import user_of
from jobs.keyset import Ordering
from jobs.models import Nature, Project
from permissions import policy
from permissions.models import Environment
from rules.api.views import ReadOrAdministrator

BY_CODE = Ordering("code", "code", "str", tie="code")
BY_POSITION = Ordering("position", "position", "int", tie="id")

Thing = TypeVar("Thing", Environment, Project, Nature)


class _View(APIView):
    """What the addresses of one kind share. ``kind`` is also the name of the address of one."""

    permission_classes = (ReadOrAdministrator,)
    kind: ClassVar[str]
    body: ClassVar[type[CatalogueSerializer]]

    def created(self, request: Request, thing: Thing, represent: Callable[[Thing], Any]) -> Response:
        """Make what the body says."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.values()
        variables = values.pop("environments", None)
        for name, value in values.items():
            setattr(thing, name, value)
        made = catalogue.create(thing, user_of(request), variables)
        address = reverse(f"api:{self.kind}", kwargs={"code": made.code})
        headers = {"Location": request.build_absolute_uri(address)}
        return Response(represent(made), status=201, headers=headers)

    def changed(self, request: Request, thing: Thing, represent: Callable[[Thing], Any]) -> Response:
        """Change what the body names, and nothing else."""
        body = self.body(thing, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        values = body.values()
        variables = values.pop("environments", None)
        return Response(represent(catalogue.change(thing, values, user_of(request), variables)))

    def deleted(self, request: Request, thing: Environment | Project | Nature) -> Response:
        """Delete it when nothing refers to it."""
        catalogue.delete(thing, user_of(request))
        return Response(status=204)


class _EnvironmentKind(_View):
    kind, body = "environment", EnvironmentSerializer


class EnvironmentsView(_EnvironmentKind):
    """``environments/``."""

    query_parameters = pagination.PARAMETERS

    def get(self, request: Request) -> Response:
        """Return the environments that the asker may see, in their order."""
        found = policy.environments_for(user_of(request))
        return pagination.paged(request, found, BY_POSITION, represent_environment)

    def post(self, request: Request) -> Response:
        """Create one."""
        return self.created(request, Environment(), represent_environment)


class EnvironmentView(_EnvironmentKind):
    """``environments/{code}/``."""

    def get(self, request: Request, code: str) -> Response:
        """Return one environment; one that the asker may not see does not exist."""
        return Response(represent_environment(self._found(request, code)))

    def patch(self, request: Request, code: str) -> Response:
        """Change it."""
        return self.changed(request, self._found(request, code), represent_environment)

    def delete(self, request: Request, code: str) -> Response:
        """Delete it."""
        return self.deleted(request, self._found(request, code))

    def _found(self, request: Request, code: str) -> Environment:
        return _one(policy.environments_for(user_of(request)), code)


class _ProjectKind(_View):
    kind, body = "project", ProjectSerializer

    def represent(self, request: Request) -> Callable[[Project], dict[str, Any]]:
        """Return what represents a project to the asker, who may not see all of its environments."""
        codes = dict(policy.environments_for(user_of(request)).values_list("pk", "code"))
        return lambda project: represent_project(project, codes)


class ProjectsView(_ProjectKind):
    """``projects/``."""

    query_parameters = pagination.PARAMETERS

    def get(self, request: Request) -> Response:
        """Return the projects, to whoever may see at least one environment."""
        projects = selectors.visible_projects(user_of(request)).prefetch_related("environments")
        return pagination.paged(request, projects, BY_CODE, self.represent(request))

    def post(self, request: Request) -> Response:
        """Create one."""
        return self.created(request, Project(), self.represent(request))


class ProjectView(_ProjectKind):
    """``projects/{code}/``."""

    def get(self, request: Request, code: str) -> Response:
        """Return one project."""
        return Response(self.represent(request)(self._found(request, code)))

    def patch(self, request: Request, code: str) -> Response:
        """Change it; ``environments``, when given, are all that it has variables in."""
        return self.changed(request, self._found(request, code), self.represent(request))

    def delete(self, request: Request, code: str) -> Response:
        """Delete it with its variables."""
        return self.deleted(request, self._found(request, code))

    def _found(self, request: Request, code: str) -> Project:
        return _one(selectors.visible_projects(user_of(request)), code)


class _NatureKind(_View):
    kind, body = "nature", NatureSerializer


class NaturesView(_NatureKind):
    """``natures/``."""

    query_parameters = pagination.PARAMETERS

    def get(self, request: Request) -> Response:
        """Return the natures, to whoever may see at least one environment."""
        natures = selectors.visible_natures(user_of(request))
        return pagination.paged(request, natures, BY_CODE, represent_nature)

    def post(self, request: Request) -> Response:
        """Create one."""
        return self.created(request, Nature(), represent_nature)


class NatureView(_NatureKind):
    """``natures/{code}/``."""

    def get(self, request: Request, code: str) -> Response:
        """Return one nature."""
        return Response(represent_nature(self._found(request, code)))

    def patch(self, request: Request, code: str) -> Response:
        """Change it."""
        return self.changed(request, self._found(request, code), represent_nature)

    def delete(self, request: Request, code: str) -> Response:
        """Delete it."""
        return self.deleted(request, self._found(request, code))

    def _found(self, request: Request, code: str) -> Nature:
        return _one(selectors.visible_natures(user_of(request)), code)


def _one(visible: QuerySet[Thing], code: str) -> Thing:
    """Return the one with exactly this code.

    Raises:
        Http404: The asker sees none.
    """
    return get_object_or_404(visible, code=code)
