"""Users and groups: written by administrators, read by those who may look at them in the administration.

Everybody else sees themselves alone.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.validators import EmailValidator
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.actions import people
from jobs.api import pagination
from jobs.api.parsing import Choice, Flag, Line, StrictSerializer, Text
from jobs.api.views import user_of
from jobs.keyset import Ordering
from jobs.representation import instant
from permissions import grants
from permissions.models import User
from permissions.names import is_name, normal
from rules.api.views import ReadOrAdministrator

BY_USERNAME: Final = Ordering("username", "username", "str", tie="username")
BY_NAME: Final = Ordering("name", "name", "str", tie="name")
LONGEST_PASSWORD: Final = 4096
MOST_GROUPS: Final = 1000
MOST_MEMBERS: Final = 10_000
_LONGEST_NAME: Final = 150


class _Names(serializers.ListField):
    def __init__(self, most: int) -> None:
        """Take names, each once."""
        child = Text(max_length=_LONGEST_NAME, trim_whitespace=False)
        super().__init__(child=child, max_length=most, required=False)


def _printable(name: str) -> None:
    if not is_name(name):
        raise ValidationError("Use printable characters, more than dots, and no blank at either end.")


class UserSerializer(StrictSerializer):
    """What a user is made of; a body for one that is there already (``instance``) may leave everything out."""

    username = Text(max_length=_LONGEST_NAME, trim_whitespace=False, validators=[UnicodeUsernameValidator()])
    email = Text(max_length=254, required=False, allow_blank=True, validators=[EmailValidator()])
    first_name = Line(max_length=150, required=False, allow_blank=True)
    last_name = Line(max_length=150, required=False, allow_blank=True)
    password = Text(max_length=LONGEST_PASSWORD, required=False, trim_whitespace=False, write_only=True)
    groups = _Names(MOST_GROUPS)
    is_active = Flag(required=False)
    is_superuser = Flag(required=False)
    is_staff = Flag(required=False)
    language = Choice([code for code, _name in settings.LANGUAGES], required=False, allow_blank=True)
    time_zone = Choice(sorted(zoneinfo.available_timezones()), required=False, allow_blank=True)

    def validate_username(self, username: str) -> str:
        """Let a name be given again as it is, and never be another: rules name approvers by it."""
        if self.instance is not None and username != self.instance.username:
            raise ValidationError("A user name cannot be changed: rules name approvers by it.")
        if self.instance is not None:
            return username
        _printable(username)
        return normal(username)


class GroupSerializer(StrictSerializer):
    """``{name, members}``."""

    name = Text(max_length=_LONGEST_NAME, trim_whitespace=False, validators=[_printable])
    members = _Names(MOST_MEMBERS)

    def validate_name(self, name: str) -> str:
        """Let a name be given again as it is, and never be another."""
        if self.instance is not None and name != self.instance.name:
            raise ValidationError("The name of a group cannot be changed: rules name approvers by it.")
        return name


def represent_user(user: User, *, knows_groups: bool) -> dict[str, Any]:
    """Return a user, who comes with the groups read already; those who may not look at groups are told of none."""
    names = [group.name for group in user.groups.all()] if knows_groups else []
    return {
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "groups": sorted(names),
        "is_active": user.is_active,
        "is_superuser": user.is_superuser,
        "is_staff": user.is_staff,
        "language": user.language,
        "time_zone": user.time_zone,
        "created_at": instant(user.date_joined),
        "last_login": instant(user.last_login),
    }


def represent_group(group: Group) -> dict[str, Any]:
    """Return a group with all its members."""
    members = User.objects.filter(groups=group).order_by("username")
    return _group(group.name, list(members.values_list("username", flat=True)))


class _UserKind(APIView):
    permission_classes = (ReadOrAdministrator,)
    body = UserSerializer

    def represent(self, request: Request) -> Callable[[User], dict[str, Any]]:
        """Return what represents users to the asker."""
        knows = grants.may_look(user_of(request), "g")
        return lambda user: represent_user(user, knows_groups=knows)

    def visible(self, request: Request) -> QuerySet[User]:
        """Return the users whom the asker may look at."""
        asker = user_of(request)
        found = User.objects.prefetch_related("groups")
        return found if grants.may_look(asker, "u") else found.filter(pk=asker.pk)

    def found(self, request: Request, username: str) -> User:
        """Return one of them.

        Raises:
            Http404: There is none of this name for the asker.
        """
        return get_object_or_404(self.visible(request), username=username)


class UsersView(_UserKind):
    """``users/``."""

    query_parameters = pagination.PARAMETERS

    def get(self, request: Request) -> Response:
        """Return the users whom the asker may look at, by name; to most people that is themselves."""
        return pagination.paged(request, self.visible(request), BY_USERNAME, self.represent(request))

    def post(self, request: Request) -> Response:
        """Make a user; without a password nobody signs in as them, but through a provider or with a token."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values = dict(body.validated_data)
        password, groups = values.pop("password", None), values.pop("groups", [])
        made = people.create_user(values, user_of(request), password=password, groups=groups)
        address = reverse("api:user", kwargs={"username": made.username})
        headers = {"Location": request.build_absolute_uri(address)}
        return Response(self.represent(request)(made), status=201, headers=headers)


class UserView(_UserKind):
    """``users/{username}/``."""

    def get(self, request: Request, username: str) -> Response:
        """Return one user."""
        return Response(self.represent(request)(self.found(request, username)))

    def patch(self, request: Request, username: str) -> Response:
        """Change what the body names; ``groups``, when given, are all of them."""
        user = self.found(request, username)
        body = self.body(user, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        values = dict(body.validated_data)
        password, groups = values.pop("password", None), values.pop("groups", None)
        people.change_user(user, values, user_of(request), password=password, groups=groups)
        return Response(self.represent(request)(self.found(request, username)))

    def delete(self, request: Request, username: str) -> Response:
        """Delete a user whom nothing refers to; otherwise make them inactive."""
        people.delete_user(self.found(request, username), user_of(request))
        return Response(status=204)


class _GroupKind(APIView):
    permission_classes = (ReadOrAdministrator,)
    body = GroupSerializer

    def visible(self, request: Request) -> QuerySet[Group]:
        """Return all groups, to those who may look at them."""
        return Group.objects.all() if grants.may_look(user_of(request), "g") else Group.objects.none()

    def found(self, request: Request, name: str) -> Group:
        """Return one of them.

        Raises:
            Http404: There is none of this name for the asker.
        """
        return get_object_or_404(self.visible(request), name=name)


class GroupsView(_GroupKind):
    """``groups/``."""

    query_parameters = pagination.PARAMETERS

    def get(self, request: Request) -> Response:
        """Return the groups with their members, by name; to those who may not look at groups there is none."""
        return pagination.paged_together(request, self.visible(request), BY_NAME, _with_members)

    def post(self, request: Request) -> Response:
        """Make a group."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.validated_data
        made = people.create_group(values["name"], values.get("members", []), user_of(request))
        address = request.build_absolute_uri(reverse("api:group", kwargs={"name": made.name}))
        return Response(represent_group(made), status=201, headers={"Location": address})


class GroupView(_GroupKind):
    """``groups/{name}/``."""

    def get(self, request: Request, name: str) -> Response:
        """Return one group."""
        return Response(represent_group(self.found(request, name)))

    def patch(self, request: Request, name: str) -> Response:
        """Make its members exactly those that the body names."""
        group = self.found(request, name)
        body = self.body(group, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        if "members" in body.validated_data:
            people.change_members(group, body.validated_data["members"], user_of(request))
        return Response(represent_group(group))

    def delete(self, request: Request, name: str) -> Response:
        """Delete a group that no rule and no open approval names; its rights go along."""
        people.delete_group(self.found(request, name), user_of(request))
        return Response(status=204)


def _with_members(groups: Sequence[Group]) -> list[Any]:
    """Return groups with their members, whose names are read at once."""
    memberships = User.groups.through._default_manager.filter(group__in=groups)
    members: dict[int, list[str]] = {group.pk: [] for group in groups}
    for key, username in memberships.order_by("user__username").values_list("group_id", "user__username"):
        members[key].append(username)
    return [_group(group.name, members[group.pk]) for group in groups]


def _group(name: str, members: list[str]) -> dict[str, Any]:
    return {"name": name, "members": members}
