"""What can go wrong with rights."""

from __future__ import annotations

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


class SignInRefused(PermissionsError):
    """Somebody whom a provider or directory knows does not get in.

    Attributes:
        reason: ``inactive``, ``taken``, ``unknown``, ``name``, or one of those of ``permissions.oidc``.
    """

    code = "sign_in_refused"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
