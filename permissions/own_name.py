"""A password that is little more than the name of who has it."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from permissions.models import User

_SHORTEST = 3
"""Letters; a shorter name counts only where the password is nothing but it, since it is within many words."""


class OwnNameValidator:
    """Refuses the user's name again and again, and what is mostly it.

    Django's own compares lengths too, so that a short name written several times is not like it for Django.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        """Do nothing when the password is fine.

        Raises:
            ValidationError: Names of the user make up more than half of it.
        """
        folded = password.casefold()
        if user is not None and any(_is_mostly(folded, name) for name in _names(user)):
            raise ValidationError(_("The password is mostly the user's name."), code="password_own_name")

    def get_help_text(self) -> str:
        """Return the rule in words."""
        return _("Your password can’t be mostly your name, or your name several times.")


def _names(user: User) -> Iterator[str]:
    local, _sign, _domain = user.email.partition("@")
    for name in (user.get_username(), user.first_name, user.last_name, local):
        if name:
            yield name.casefold()


def _is_mostly(password: str, name: str) -> bool:
    covered = password.count(name) * len(name)
    return covered * 2 > len(password) if len(name) >= _SHORTEST else covered == len(password)
