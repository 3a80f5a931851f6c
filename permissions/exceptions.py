"""What can go wrong with rights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from permissions.catalog import Right


class PermissionsError(Exception):
    """Root of the errors of this app."""

    code = "permissions_error"


class RightMissing(PermissionsError):
    """The user sees the environment but lacks the right there."""

    code = "right_missing"

    def __init__(self, right: Right, environment: str) -> None:
        super().__init__(f"You need the right {right.codename} in {environment}.")
        self.right, self.environment = right, environment


class EnvironmentHidden(PermissionsError):
    """The environment does not exist for this user."""

    code = "not_found"

    def __init__(self, environment: str) -> None:
        super().__init__(f"Unknown environment: {environment}.")
        self.environment = environment


class TokenRefused(PermissionsError):
    """A token cannot be made like this."""

    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


class GrantRefused(PermissionsError):
    """Rights cannot be changed as a form asks; nothing was."""

    code = "invalid"

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__(" ".join(messages))
        self.messages = tuple(messages)


@dataclass(frozen=True, slots=True)
class Clash:
    """One row of a form whose rights are others than it showed.

    Attributes:
        label: Of the row.
        shown: What the form showed.
        present: What is granted now.
        wished: What the form asks for.
    """

    label: str
    shown: frozenset[Right]
    present: frozenset[Right]
    wished: frozenset[Right]


class RightsChanged(PermissionsError):
    """Somebody changed the rights since a form showed them; nothing of the form was kept."""

    code = "rights_changed"

    def __init__(self, clashes: Sequence[Clash]) -> None:
        super().__init__("Somebody changed the rights meanwhile.")
        self.clashes = tuple(clashes)


class SignInRefused(PermissionsError):
    """Somebody whom a provider or directory knows does not get in.

    Attributes:
        reason: ``inactive``, ``taken``, ``unknown``, ``name``, or one of those of ``permissions.oidc``.
    """

    code = "sign_in_refused"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class GrantExists(PermissionsError):
    """Something was granted there already.

    Attributes:
        grant: The ``id`` of that grant.
    """

    code = "grant_exists"

    def __init__(self, principal: str, environment: str, grant: str) -> None:
        super().__init__(f"{principal} holds rights on {environment} already; change that grant.")
        self.grant = grant


class BeyondReach(PermissionsError):
    """Somebody may not change rights like this, by what they hold themselves."""

    code = "permission_denied"
