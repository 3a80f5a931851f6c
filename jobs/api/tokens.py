"""API tokens: one's own, and for administrators everybody's. Made here, shown once, never changed, revoked at once."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import filters
from jobs.api import pagination
from jobs.api.parsing import Choice, Moment, StrictSerializer, Text
from jobs.api.views import user_of
from jobs.exceptions import InvalidInput
from jobs.keyset import Ordering
from jobs.representation import instant
from jobs.selectors import LARGEST_ID
from permissions import policy, tokens
from permissions.catalog import Right
from permissions.exceptions import TokenRefused
from permissions.models import ApiToken, User

NEWEST_FIRST: Final = Ordering("-id", "id", descending=True)
_MOST_ENVIRONMENTS: Final = 1000


class NotLimited(BasePermission):
    """Everybody who is signed in, but not through a limited token, which could get hold of a wider one otherwise."""

    message = "A limited token neither sees nor makes nor revokes tokens."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the asker may go on."""
        return isinstance(request.user, User) and request.user.limits is None


class TokenSerializer(StrictSerializer):
    """``{name, expires_at, rights, environments, user}``; ``null`` is no limit."""

    name = Text(max_length=100, required=False, allow_blank=True, default="")
    expires_at = Moment(required=False, allow_null=True, default=None)
    rights = serializers.ListField(
        child=Choice([right.value for right in Right]),
        required=False,
        allow_null=True,
        default=None,
        max_length=len(Right),
    )
    environments = serializers.ListField(
        child=Text(max_length=50),
        required=False,
        allow_null=True,
        default=None,
        max_length=_MOST_ENVIRONMENTS,
    )
    user = Text(max_length=150, required=False)


def represent_token(token: ApiToken) -> dict[str, Any]:
    """Return what there is to say of a token; the token itself is not known any more."""
    return {
        "id": token.pk,
        "user": token.user.get_username(),
        "name": token.name,
        "hint": token.hint,
        "rights": token.rights,
        "environments": token.environments,
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "last_used_at": instant(token.last_used_at),
    }


class TokensView(APIView):
    """``tokens/``."""

    permission_classes = (NotLimited,)
    query_parameters = ("user", *pagination.PARAMETERS)
    body = TokenSerializer
    answers_secret = True

    def get(self, request: Request) -> Response:
        """Return the asker's tokens, to administrators all of them, newest first."""
        found = _visible(user_of(request))
        for name in pagination.words(request, "user").values():
            found = found.filter(user__username=name)
        return pagination.paged(request, found, NEWEST_FIRST, represent_token)

    def post(self, request: Request) -> Response:
        """Make a token; ``token`` in the answer is it, this once."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values = dict(body.validated_data)
        owner = _owner(values.pop("user", None), user_of(request))
        try:
            tokens.check_expiry(values["expires_at"], now=timezone.now(), until=user_of(request).until)
            token = tokens.issue(owner, **values)
        except TokenRefused as error:
            raise InvalidInput({error.field: [error.message]}) from error
        made = get_object_or_404(_visible(user_of(request)), digest=tokens.digest(token))
        address = request.build_absolute_uri(reverse("api:token", kwargs={"token_id": made.pk}))
        headers = {"Location": address, "Cache-Control": "no-store"}
        return Response({**represent_token(made), "token": token}, status=201, headers=headers)

    def require_replay(self, request: Request, answer: dict[str, Any]) -> None:
        """Do nothing when the asker could still make a token for that user; it is not handed out again otherwise."""
        _owner(answer["user"], user_of(request))
        _found(request, answer["id"])


class TokenView(APIView):
    """``tokens/{id}/``."""

    permission_classes = (NotLimited,)

    def get(self, request: Request, token_id: int) -> Response:
        """Return one token; those of others do not exist, but for administrators."""
        return Response(represent_token(_found(request, token_id)))

    def delete(self, request: Request, token_id: int) -> Response:
        """Revoke it: from now on it opens nothing."""
        with transaction.atomic():
            found = _visible(user_of(request)).select_for_update(of=("self",))
            get_object_or_404(found, pk=min(token_id, LARGEST_ID)).delete()
        return Response(status=204)


def _visible(asker: User) -> QuerySet[ApiToken]:
    found = ApiToken.objects.select_related("user")
    return found if policy.administers(asker) else found.filter(user=asker)


def _found(request: Request, token_id: int) -> ApiToken:
    return get_object_or_404(_visible(user_of(request)), pk=min(token_id, LARGEST_ID))


def _owner(name: str | None, asker: User) -> User:
    """Return for whom a token is.

    Raises:
        InvalidInput: There is no such user for the asker, who makes tokens for others as an administrator only.
    """
    if name is None or name == asker.get_username():
        return asker
    found = User.objects.filter(username=name).first() if policy.administers(asker) else None
    if found is None:
        raise InvalidInput({"user": [filters.unknown(name, [], "user")]})
    return found
