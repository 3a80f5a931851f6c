"""Rules: read, publish, validate."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.http import Http404
from django.utils import timezone
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from rules.actions.publish_rule import publish_rule
from rules.api.serializers import (
    SourceSerializer,
    VersionSerializer,
    represent_problem,
    represent_rule,
    represent_version,
)
from rules.exceptions import RuleInvalid
from rules.models import Rule, RuleVersion
from rules.selectors import check_source


class RuleExists(APIException):
    """A first version is published, and there is one."""

    status_code = 409
    default_code = "rule_exists"

    def __init__(self, slug: str) -> None:
        """Say where new versions go."""
        super().__init__(f"The rule {slug} exists; send new versions to rules/{slug}/versions/.")


class ReadOrAdministrator(BasePermission):
    """Everybody who is signed in reads, administrators write.

    The user model says who is one, by ``administers``: being a superuser is not enough when a token limits what one may do.
    """

    message = "Only administrators may do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the asker may go on."""
        if not request.user.is_authenticated:
            return False
        method = str(request.method)
        # A method that is not there is 405 for everybody.
        is_there = hasattr(view, method.lower())
        return method in {"GET", "HEAD", "OPTIONS"} or not is_there or self.administers(request)

    def administers(self, request: Request) -> bool:
        """Return whether the asker is an administrator here and now."""
        return getattr(request.user, "administers", False) is True


def rules() -> QuerySet[Rule]:
    """Return the rules that have a version, with their versions, newest first."""
    newest_first = Prefetch("versions", RuleVersion.objects.order_by("-number"))
    return Rule.objects.filter(versions__isnull=False).distinct().prefetch_related(newest_first)


def _name_in(source: str) -> str:
    """Return the name that a source gives its rule.

    Raises:
        RuleInvalid: With every mistake, those in calls of other rules included.
    """
    result = check_source(source)
    if result.tree is None:
        raise RuleInvalid(result.problems)
    return result.tree.name


def _author(request: Request) -> AbstractBaseUser:
    assert isinstance(request.user, AbstractBaseUser)
    return request.user


class RulesView(GenericAPIView[Rule]):
    """``rules/``."""

    keyset = ("slug",)
    body = SourceSerializer
    permission_classes = (ReadOrAdministrator,)

    def get_queryset(self) -> QuerySet[Rule]:
        """Return every rule."""
        return rules()

    def get(self, request: Request) -> Response:
        """Return the rules by slug."""
        rows = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        return self.get_paginated_response([represent_rule(rule) for rule in rows])

    def post(self, request: Request) -> Response:
        """Publish the first version of a rule, whose slug is the ``name`` in the source."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        source = body.validated_data["source"]
        slug = _name_in(source)
        if Rule.objects.filter(slug=slug, versions__isnull=False).exists():
            raise RuleExists(slug)
        with transaction.atomic():
            version, is_new = publish_rule(
                source=source, author=_author(request), comment="", now=timezone.now()
            )
            # Whoever publishes the same name at the same moment waited, and is the second one.
            if not is_new or version.number > 1:
                raise RuleExists(slug)
        address = request.build_absolute_uri(f"{request.path}{slug}/")
        found = rules().get(pk=version.rule_id)
        return Response(represent_rule(found), status=201, headers={"Location": address})


class RuleView(GenericAPIView[Rule]):
    """``rules/{slug}/``."""

    lookup_field = "slug"

    def get_queryset(self) -> QuerySet[Rule]:
        """Return every rule."""
        return rules()

    def get(self, request: Request, slug: str) -> Response:
        """Return one rule as its newest version has it."""
        return Response(represent_rule(self.get_object()))


class VersionsView(GenericAPIView[RuleVersion]):
    """``rules/{slug}/versions/``."""

    keyset = ("-number",)
    body = VersionSerializer
    permission_classes = (ReadOrAdministrator,)

    def get_queryset(self) -> QuerySet[RuleVersion]:
        """Return the versions of the rule."""
        return RuleVersion.objects.filter(rule__slug=self.kwargs["slug"]).select_related("author")

    def get(self, request: Request, slug: str) -> Response:
        """Return the versions, newest first."""
        versions = self.filter_queryset(self.get_queryset())
        self._require_any(versions)
        rows = self.paginate_queryset(versions) or []
        return self.get_paginated_response([represent_version(version) for version in rows])

    def post(self, request: Request, slug: str) -> Response:
        """Publish a version; the ``name`` in its source must be the slug. The newest source again makes no version."""
        self._require_any(self.get_queryset())
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        source, comment = body.validated_data["source"], body.validated_data["comment"]
        name = _name_in(source)
        if name != slug:
            raise ValidationError({"source": [f"The name in the source is {name}, not {slug}."]})
        version, is_new = publish_rule(
            source=source, author=_author(request), comment=comment, now=timezone.now()
        )
        return Response(represent_version(version), status=201 if is_new else 200)

    def _require_any(self, versions: QuerySet[RuleVersion]) -> None:
        if not versions.exists():
            raise Http404


class ValidateView(GenericAPIView[Rule]):
    """``rules/validate/``."""

    queryset = Rule.objects.all()
    body = SourceSerializer

    def post(self, request: Request) -> Response:
        """Return every mistake in a source, without saving anything."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        knows_rules = self.filter_queryset(self.get_queryset()).exists()
        result = check_source(body.validated_data["source"], alone=not knows_rules)
        errors = [represent_problem(problem) for problem in result.problems]
        return Response({"valid": not errors, "errors": errors, "operations": result.operations})
