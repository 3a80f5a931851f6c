"""Who was granted what, where: read by those who may look at it, written by whoever may hand it out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.http import Http404
from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import filters
from jobs.api import pagination
from jobs.api.parsing import Choice, StrictSerializer, Text
from jobs.api.views import user_of
from jobs.exceptions import InvalidInput
from jobs.keyset import BadCursor, Cursor, Ordering
from permissions import grants, grids, policy
from permissions.catalog import EVERYWHERE, Right
from permissions.exceptions import GrantRefused
from permissions.grants import NamedGrant
from permissions.models import Environment, User
from permissions.policy import Principal
from permissions.rights import GrantKey, GrantRow, Sight

BY_ID: Final = Ordering("id", "id", "str", tie="id")
NOBODY: Final = Sight(frozenset(), frozenset(), frozenset())
_KINDS: Final = {"user": "u", "group": "g"}
_WRITE: Final = "Write group:NAME or user:NAME."
_LONGEST_NAME: Final = 150


class ReadOrGrant(BasePermission):
    """Everybody who is signed in reads; administrators write, and staff as far as they may hand out rights."""

    message = "Only administrators may do this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the asker may go on."""
        user, method = request.user, str(request.method)
        if not isinstance(user, User):
            return False
        is_there = hasattr(view, method.lower())
        return method in {"GET", "HEAD", "OPTIONS"} or not is_there or grants.may_grant(user)


class _RightsField(serializers.ListField):
    def __init__(self, **options: Any) -> None:
        """Take names of rights."""
        names = [right.value for right in Right]
        super().__init__(child=Choice(names), max_length=len(names), **options)


class GrantSerializer(StrictSerializer):
    """``{principal, environment, rights}``."""

    principal = Text(max_length=_LONGEST_NAME + len("group:"), trim_whitespace=False)
    environment = Text(max_length=50, trim_whitespace=False)
    rights = _RightsField()

    def validate_principal(self, principal: str) -> str:
        """Refuse what names neither a group nor a user."""
        if _kind_of(principal) is None:
            raise serializers.ValidationError(_WRITE)
        return principal


class ChangedGrantSerializer(StrictSerializer):
    """``{rights}``."""

    rights = _RightsField()


def represent_grant(grant: NamedGrant) -> dict[str, Any]:
    """Return a grant."""
    return {
        "id": str(grant.key),
        "principal": grids.key_of(grant.principal),
        "environment": grant.place,
        "rights": [right.value for right in Right if right in grant.rights],
    }


class GrantsView(APIView):
    """``grants/``."""

    permission_classes = (ReadOrGrant,)
    query_parameters = ("principal", "environment", *pagination.PARAMETERS)
    body = GrantSerializer

    def get(self, request: Request) -> Response:
        """Return the grants that the asker may look at."""
        sight = grants.sight_of(user_of(request)).within(_filter(request))

        def read(cursor: Cursor | None, count: int) -> list[GrantRow]:
            beyond = None if cursor is None else GrantKey.read(str(cursor.value))
            if cursor is not None and beyond is None:
                raise BadCursor
            backward = cursor is not None and cursor.backward
            inclusive = cursor is not None and cursor.inclusive
            return policy.listed(sight, beyond=beyond, backward=backward, inclusive=inclusive, count=count)

        return pagination.written_out(request, BY_ID, read, lambda row: str(row.key), _represented)

    def post(self, request: Request) -> Response:
        """Grant rights to a group or user that was granted none there."""
        asker = user_of(request)
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        principal, environment = _named(body.validated_data, asker)
        try:
            made = grants.create(principal, environment, _rights(body), asker)
        except GrantRefused as error:
            raise InvalidInput({"rights": list(error.messages)}) from error
        address = reverse("api:grant", kwargs={"grant": str(made.key)})
        headers = {"Location": request.build_absolute_uri(address)}
        return Response(represent_grant(made), status=201, headers=headers)

    def require_replay(self, request: Request, answer: dict[str, Any]) -> None:
        """Do nothing when the asker may still look at the grant that an earlier answer is about."""
        _found(answer["id"], user_of(request))


class GrantView(APIView):
    """``grants/{id}/``."""

    permission_classes = (ReadOrGrant,)
    body = ChangedGrantSerializer
    partial = False

    def get(self, request: Request, grant: str) -> Response:
        """Return one grant."""
        return Response(represent_grant(_found(grant, user_of(request))))

    def patch(self, request: Request, grant: str) -> Response:
        """Make its rights exactly those that the body names; what they were does not matter."""
        asker = user_of(request)
        found = _found(grant, asker)
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            changed = grants.change(found, _rights(body), asker)
        except GrantRefused as error:
            raise InvalidInput({"rights": list(error.messages)}) from error
        if changed is None:
            raise Http404
        return Response(represent_grant(changed))

    def delete(self, request: Request, grant: str) -> Response:
        """Take all of its rights; whatever is asked for from now on is asked without them."""
        asker = user_of(request)
        if not grants.delete(_found(grant, asker), asker):
            raise Http404
        return Response(status=204)


def _represented(rows: Sequence[GrantRow]) -> list[Any]:
    return [represent_grant(grant) for grant in grants.named(rows)]


def _found(text: str, asker: User) -> NamedGrant:
    """Return the grant with this ``id``.

    Raises:
        Http404: The asker may not look at it, or there is none.
    """
    key = GrantKey.read(text)
    found = None if key is None else grants.visible(asker, key)
    if found is None:
        raise Http404
    return found


def _rights(body: serializers.Serializer[Any]) -> frozenset[Right]:
    return frozenset(map(Right, body.validated_data["rights"]))


def _kind_of(principal: str) -> str | None:
    """Return the kind in ``group:ops``, ``None`` when it names nobody."""
    kind, _sign, name = principal.partition(":")
    return _KINDS.get(kind) if name else None


def _named(values: dict[str, Any], asker: User) -> tuple[Principal, Environment | None]:
    """Return whom and where a body names.

    Raises:
        InvalidInput: There is no such group, user or environment for the asker.
        PermissionDenied: The asker may grant nothing to groups, or to users.
    """
    key, code = values["principal"], values["environment"]
    kind = _kind_of(key)
    assert kind is not None
    if not grants.may_grant(asker, kind):
        raise PermissionDenied(f"You may not grant anything to {'users' if kind == 'u' else 'groups'}.")
    errors: dict[str, list[str]] = {}
    principal = grids.principals([key]).get(key)
    if principal is None:
        errors["principal"] = [filters.unknown(key, _known(kind), "principal")]
    environment = policy.environments_for(asker).filter(code=code).first()
    if environment is None and code != EVERYWHERE:
        known = policy.environments_for(asker).values_list("code", flat=True)
        errors["environment"] = [filters.unknown(code, [*known, EVERYWHERE], "environment")]
    if errors or principal is None:
        raise InvalidInput(errors)
    return principal, environment


def _known(kind: str) -> list[str]:
    """Return those that could have been meant, few enough to be compared."""
    if kind == "u":
        names = User.objects.order_by("-last_login").values_list("username", flat=True)
        return [f"user:{name}" for name in names[:1000]]
    return [f"group:{name}" for name in grids.group_names(1000)]


def _filter(request: Request) -> Sight:
    """Return what the query parameters leave of all grants.

    Raises:
        InvalidInput: One is too long, or ``principal`` names neither a group nor a user.
    """
    wanted = Sight()
    given = pagination.words(request, "principal", "environment")
    if (key := given.get("principal")) is not None:
        if _kind_of(key) is None:
            raise InvalidInput({"principal": [_WRITE]})
        principal = grids.principals([key]).get(key)
        if principal is None:
            return NOBODY
        keys, nobody = frozenset({principal.pk}), grants.NOBODY
        wanted = Sight(keys, nobody) if isinstance(principal, User) else Sight(nobody, keys)
    if (code := given.get("environment")) is not None:
        found = Environment.objects.filter(code=code).values_list("pk", flat=True)
        places = {0} if code == EVERYWHERE else set(found)
        wanted = wanted.within(Sight(environments=frozenset(places)))
    return wanted
