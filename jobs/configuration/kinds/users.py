"""``users {username, email, first_name, last_name, password, groups, permissions, is_active, is_superuser, is_staff, …}``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from jobs.configuration.items import Item
from jobs.configuration.kinds import permissions
from jobs.configuration.kinds.base import Kind, Run, put, remove
from jobs.configuration.kinds.groups import Groups
from jobs.configuration.problems import Place, did_you_mean
from permissions.models import User
from permissions.names import normal

_TEXTS: Final = ("email", "first_name", "last_name", "language", "time_zone")
_SWITCHES: Final = ("is_active", "is_superuser", "is_staff")


@dataclass(frozen=True, slots=True)
class UserSpec:
    """What a document says of a user; ``None`` for what it leaves out.

    Attributes:
        item: Where it is written.
        username: Which user.
        password: As it is typed; never shown anywhere.
        groups: Names and places of the groups, all of them.
        permissions: Names and places of what the user may do in the administration, all of it.
        columns: The other fields by name, which is also their column.
    """

    item: Item
    username: str
    password: str | None
    groups: tuple[tuple[str, Place], ...] | None
    permissions: permissions.Written | None
    columns: dict[str, str | bool | None]

    def __repr__(self) -> str:
        """Return the name alone: a password must not get into a traceback's locals."""
        return f"UserSpec({self.username!r})"


class Users(Kind[UserSpec]):
    """People and programs that sign in."""

    key, noun = "users", "user"
    keys = (
        "username", "email", "first_name", "last_name", "password", "groups", permissions.KEY,
        "is_active", "is_superuser", "is_staff", "language", "time_zone",
    )  # fmt: skip

    def parse(self, item: Item, run: Run) -> tuple[str, UserSpec] | None:
        """Read one user."""
        username = item.identity("username")
        names = item.texts("groups")
        groups = None if names is None else tuple(zip(names, item.places("groups"), strict=True))
        columns = {
            **{key: item.text(key) for key in _TEXTS},
            **{key: item.boolean(key) for key in _SWITCHES},
        }
        spec = UserSpec(item, username or "", item.text("password"), groups, permissions.read(item), columns)
        return (username, spec) if username else None

    def save_all(self, specs: Sequence[UserSpec], run: Run) -> None:
        """Save all users and refuse to leave the installation without anybody who may do everything."""
        administrators = User.objects.filter(is_superuser=True, is_active=True)
        had_one = administrators.exists()
        super().save_all(specs, run)
        if had_one and not administrators.exists():
            losing = [
                spec for spec in specs if False in (spec.columns["is_superuser"], spec.columns["is_active"])
            ]
            for spec in losing:
                spec.item.note(
                    "username", f"Without {spec.username} there would be no active superuser left."
                )

    def save(self, spec: UserSpec, run: Run) -> None:
        """Create or change the user, the password only when it is another one."""
        found = User.objects.select_for_update(no_key=True).filter(username=spec.username).first()
        # Comparing takes as long as setting, so it is done once, and never for a new user.
        password = spec.password
        if found is not None and password is not None and found.check_password(password):
            password = None
        if password is not None:
            self._check_password(spec, password)
        if found is None and spec.username != normal(spec.username):
            spec.item.note("username", f"username: Write it as {normal(spec.username)}.")
            return
        new = User()
        new.set_unusable_password()
        before = len(run.lines)
        values = {
            "username": ("username", spec.username),
            **{key: (key, value) for key, value in spec.columns.items()},
        }
        row = put(run, spec.item, found, new, spec.username, values)
        groups = self._groups(spec, run)
        if row is None:
            return
        changed = []
        if password is not None:
            row.set_password(password)
            row.save(update_fields=["password"])
            changed.append("password")
        if groups is not None and set(groups) != set(row.groups.all()):
            row.groups.set(groups)
            changed.append("groups")
        if permissions.save(row, spec.permissions, spec.item):
            changed.append(permissions.KEY)
        self._report(spec.username, changed, before, run, is_new=found is None)

    def prune(self, specs: Sequence[UserSpec], place: Place, run: Run) -> None:
        """Remove users that no document names, except superusers: each of them stays, and a note says so."""
        unnamed = User.objects.exclude(username__in=[spec.username for spec in specs])
        for row in unnamed.order_by("username"):
            if row.is_superuser:
                run.notes.append(f"user {row.username} is a superuser and stays")
            else:
                remove(run, row, self.noun, row.username, place)

    def export(self) -> list[dict[str, Any]]:
        """Return all users by name, without their passwords."""
        rows = User.objects.prefetch_related("groups", "user_permissions__content_type")
        return [
            {
                "username": row.username,
                **{key: getattr(row, key) for key in _TEXTS},
                "groups": sorted(group.name for group in row.groups.all()),
                permissions.KEY: permissions.export(row),
                **{key: getattr(row, key) for key in _SWITCHES},
            }
            for row in sorted(rows, key=lambda row: row.username)
        ]

    def _report(self, username: str, changed: list[str], before: int, run: Run, *, is_new: bool) -> None:
        """Note password and groups on the user's own line, which a new user has already."""
        if not changed or is_new:
            return
        if len(run.lines) > before:
            run.lines[-1] += ", " + ", ".join(changed)
        else:
            run.changed(self.noun, username, changed)

    def _check_password(self, spec: UserSpec, password: str) -> None:
        subject = User(username=spec.username, email=str(spec.columns["email"] or ""))
        try:
            validate_password(password, subject)
        except ValidationError as error:
            spec.item.note("password", f"password: {' '.join(error.messages)}")

    def _groups(self, spec: UserSpec, run: Run) -> list[Group] | None:
        """Return the groups of a user; unknown ones are noted."""
        if spec.groups is None:
            return None
        known = {group.name: group for group in Group.objects.all()} if spec.groups else {}
        for name, place in spec.groups:
            if name not in known and not run.is_declared(Groups.key, name):
                run.problems.add(place, f"There is no group {name}.", did_you_mean(name, known))
        return [known[name] for name, _ in spec.groups if name in known]
