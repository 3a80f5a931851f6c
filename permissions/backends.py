"""Who vouches for somebody: the password kept here, a directory, a provider."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils import timezone

from permissions import external
from permissions.exceptions import SignInRefused
from permissions.models import User

logger = logging.getLogger(__name__)

OIDC: str = "permissions.backends.OidcBackend"


class LocalBackend(ModelBackend):
    """Passwords kept here, of everybody or of administrators alone."""

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Return whether a password kept here is good enough for ``user``; it was compared before."""
        if not super().user_can_authenticate(user):
            return False
        return settings.CLARIVE_LOCAL_PASSWORDS == "everybody" or (
            isinstance(user, User) and user.is_superuser
        )


class LdapBackend(ModelBackend):
    """Passwords of a directory; without one, of nobody."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_more: Any,
    ) -> User | None:
        """Return the account of who can bind with this password; a directory that does not answer vouches for nobody."""
        if settings.CLARIVE_LDAP is None or not username or not password:
            return None
        # Loaded by those alone who have a directory: it is slow to load, and large.
        from permissions import ldap

        directory = ldap.Directory(**settings.CLARIVE_LDAP)
        try:
            person = directory.person(username, password)
            return (
                None if person is None else external.account_of(person, directory.rules, now=timezone.now())
            )
        except ldap.DirectoryFailed as error:
            logger.warning("The directory cannot be asked: %s", error)
        except SignInRefused as refusal:
            logger.warning("%r of the directory was refused: %s", username, refusal.reason)
        return None

    def get_user(self, user_id: int) -> User | None:
        """Return the user of a session, of nobody when there is no directory any more."""
        return _get_user(super().get_user(user_id), settings.CLARIVE_LDAP)


class OidcBackend(ModelBackend):
    """Sessions of people for whom the provider vouched; it looks at no password."""

    def authenticate(self, request: HttpRequest | None, **_credentials: Any) -> None:  # type: ignore[override]
        """Vouch for nobody: the provider does, on pages of its own."""

    def get_user(self, user_id: int) -> User | None:
        """Return the user of a session, of nobody when there is no provider any more."""
        return _get_user(super().get_user(user_id), settings.CLARIVE_OIDC)


def _get_user(user: Any, source: object) -> User | None:
    return user if isinstance(user, User) and source is not None else None
