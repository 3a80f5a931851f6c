"""Who may do what, where: the only module of ours that reads and writes grants, our own and django-guardian's.

A grant on one environment is an object permission of django-guardian; a grant on all of them (``*``) is the same permission held
without an object. guardian's own mixing of the two (``accept_global_perms``) differs between its lists and ``has_perm``, so it is
never asked to mix: one pass here reads both kinds and decides.

Source: product document, "Permisos"; contract, section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db.models import Prefetch, Q, QuerySet
from guardian.shortcuts import assign_perm, remove_perm

from permissions.catalog import BY_CODENAME, EVERYWHERE, Right
from permissions.exceptions import EnvironmentHidden, RightMissing
from permissions.models import Environment, EnvironmentGroupGrant, EnvironmentUserGrant, User

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import ManyRelatedManager

AnyUser = User | AnonymousUser
Principal = User | Group


@dataclass(frozen=True, slots=True)
class Rights:
    """What one user holds, as read in one pass.

    Attributes:
        everything: A superuser, who holds all rights everywhere.
        everywhere: Rights granted on ``*``.
        by_environment: Rights by primary key of the environment, without those of ``everywhere``.
    """

    everything: bool = False
    everywhere: frozenset[Right] = frozenset()
    by_environment: Mapping[int, frozenset[Right]] = field(default_factory=dict)

    def on(self, environment_id: int) -> frozenset[Right]:
        """Return the rights that count on an environment: none without ``view_monitor`` there."""
        if self.everything:
            return frozenset(Right)
        held = self.everywhere | self.by_environment.get(environment_id, frozenset())
        return held if Right.VIEW_MONITOR in held else frozenset()

    def has(self, right: Right, environment_id: int) -> bool:
        """Return whether ``right`` counts on the environment."""
        return right in self.on(environment_id)

    @property
    def sees_all(self) -> bool:
        """Whether every environment is visible, also those created later."""
        return self.everything or Right.VIEW_MONITOR in self.everywhere


NOTHING = Rights()


def rights_of(user: AnyUser) -> Rights:
    """Read all rights of ``user``; an inactive or anonymous user holds nothing. At most three queries, whatever there is."""
    if not isinstance(user, User) or not user.is_active:
        return NOTHING
    if user.is_superuser:
        return Rights(everything=True)
    held: dict[int, set[Right]] = {}
    codenames = tuple(BY_CODENAME)
    own = EnvironmentUserGrant.objects.filter(user=user, permission__codename__in=codenames)
    through_groups = EnvironmentGroupGrant.objects.filter(
        group__user=user, permission__codename__in=codenames
    )
    fields = ("content_object_id", "permission__codename")
    for environment_id, codename in own.values_list(*fields).union(through_groups.values_list(*fields)):
        held.setdefault(environment_id, set()).add(BY_CODENAME[codename])
    everywhere = _permissions().filter(Q(user=user) | Q(group__user=user)).values_list("codename", flat=True)
    return Rights(
        everywhere=frozenset(BY_CODENAME[codename] for codename in everywhere),
        by_environment={environment_id: frozenset(rights) for environment_id, rights in held.items()},
    )


def can(user: AnyUser, right: Right, environment: Environment) -> bool:
    """Return whether ``user`` may do what ``right`` stands for in ``environment``."""
    return rights_of(user).has(right, environment.pk)


def require(user: AnyUser, right: Right, environment: Environment) -> None:
    """Do nothing when ``user`` holds ``right`` in ``environment``.

    Raises:
        EnvironmentHidden: The user may not even see it.
        RightMissing: The user sees it but lacks the right.
    """
    held = rights_of(user).on(environment.pk)
    if Right.VIEW_MONITOR not in held:
        raise EnvironmentHidden(environment.code)
    if right not in held:
        raise RightMissing(right, environment.code)


def environments_for(user: AnyUser, right: Right = Right.VIEW_MONITOR) -> QuerySet[Environment]:
    """Return the environments in which ``user`` holds ``right``."""
    return Environment.objects.filter(environment_filter(rights_of(user), right, "pk"))


def environment_filter(rights: Rights, right: Right, lookup: str) -> Q:
    """Return a condition on the environment's key under ``lookup`` that keeps what ``rights`` allow."""
    if rights.everything or {right, Right.VIEW_MONITOR} <= rights.everywhere:
        return Q()
    keys = Environment.objects.values_list("pk", flat=True) if rights.everywhere else rights.by_environment
    return Q(**{f"{lookup}__in": [key for key in keys if rights.has(right, key)]})


def grant(principal: Principal, right: Right, environment: Environment | None) -> None:
    """Grant ``right`` on ``environment``, on all of them when ``None``. Granting twice is granting once."""
    if environment is None:
        _everywhere(principal).add(_permissions().get(codename=right.codename))
    else:
        assign_perm(right.permission, principal, environment)


def revoke(principal: Principal, right: Right, environment: Environment | None) -> None:
    """Take ``right`` on ``environment`` (``None``: the grant on ``*``) away. Nothing happens when it was not held."""
    if environment is None:
        _everywhere(principal).remove(_permissions().get(codename=right.codename))
    else:
        remove_perm(right.permission, principal, environment)


def granted(principal: Principal) -> dict[str, set[Right]]:
    """Return the rights granted to ``principal`` itself, by environment code or ``*``; groups of a user are not followed."""
    found: dict[str, set[Right]] = {}
    rows = (
        EnvironmentUserGrant.objects.filter(user=principal)
        if isinstance(principal, User)
        else EnvironmentGroupGrant.objects.filter(group=principal)
    )
    for code, codename in rows.values_list("content_object__code", "permission__codename"):
        if codename in BY_CODENAME:
            found.setdefault(code, set()).add(BY_CODENAME[codename])
    for codename in (
        _everywhere(principal).filter(codename__in=BY_CODENAME).values_list("codename", flat=True)
    ):
        found.setdefault(EVERYWHERE, set()).add(BY_CODENAME[codename])
    return found


def grants_on(environment: Environment | None) -> list[tuple[Principal, Right]]:
    """Return what was granted on ``environment`` itself, on all of them when ``None``; groups first."""
    found: list[tuple[Principal, Right]] = []
    if environment is None:
        for principal, codename in _everywhere_rows():
            found.append((principal, BY_CODENAME[codename]))
        return found
    on_it: dict[str, Any] = {"content_object": environment, "permission__codename__in": tuple(BY_CODENAME)}
    for group_grant in EnvironmentGroupGrant.objects.filter(**on_it).select_related("group", "permission"):
        found.append((group_grant.group, BY_CODENAME[group_grant.permission.codename]))
    for user_grant in EnvironmentUserGrant.objects.filter(**on_it).select_related("user", "permission"):
        found.append((user_grant.user, BY_CODENAME[user_grant.permission.codename]))
    return found


def holders(right: Right, environment: Environment) -> tuple[QuerySet[Group], QuerySet[User]]:
    """Return the groups and the active users that ``right`` on ``environment`` was granted to and counts for.

    A right counts only together with ``view_monitor``: a group must hold both, a user may see through a group.
    Superusers are not among them for being such.
    """
    seeing = Group.objects.filter(_holds(EnvironmentGroupGrant, "group", Right.VIEW_MONITOR, environment))
    sees = _holds(EnvironmentUserGrant, "user", Right.VIEW_MONITOR, environment) | Q(groups__in=seeing)
    users = User.objects.filter(
        _holds(EnvironmentUserGrant, "user", right, environment), sees, is_active=True
    )
    groups = seeing.filter(_holds(EnvironmentGroupGrant, "group", right, environment))
    return groups.distinct(), users.distinct()


def seeing(
    environment: Environment, groups: Iterable[str], usernames: Iterable[str]
) -> tuple[set[str], set[str]]:
    """Return which of these groups and users may see ``environment``, by name; two queries at most.

    A group counts when it was granted ``view_monitor`` there, or when an active member sees the environment otherwise.
    """
    right = Right.VIEW_MONITOR
    by_group = _holds(EnvironmentGroupGrant, "group", right, environment)
    own = _holds(EnvironmentUserGrant, "user", right, environment) | Q(is_superuser=True)
    sees = User.objects.filter(own | Q(groups__in=Group.objects.filter(by_group)), is_active=True)
    wanted, people = list(groups), list(usernames)
    found_groups = Group.objects.filter(by_group | Q(pk__in=sees.values("groups")), name__in=wanted)
    found_users = sees.filter(username__in=people)
    return (
        set(found_groups.values_list("name", flat=True)) if wanted else set(),
        set(found_users.values_list("username", flat=True)) if people else set(),
    )


def _holds(
    table: type[EnvironmentGroupGrant] | type[EnvironmentUserGrant],
    kind: str,
    right: Right,
    environment: Environment,
) -> Q:
    there = table._default_manager.filter(content_object=environment, permission__codename=right.codename)
    everywhere = "permissions__in" if kind == "group" else "user_permissions__in"
    return Q(pk__in=there.values(kind)) | Q(**{everywhere: _permissions().filter(codename=right.codename)})


def _everywhere_rows() -> Iterator[tuple[Principal, str]]:
    """Yield who holds which right on all environments."""
    ours = Prefetch("permissions", _permissions())
    for group in Group.objects.filter(permissions__in=_permissions()).distinct().prefetch_related(ours):
        for permission in group.permissions.all():
            yield group, permission.codename
    own = Prefetch("user_permissions", _permissions())
    for user in User.objects.filter(user_permissions__in=_permissions()).distinct().prefetch_related(own):
        for permission in user.user_permissions.all():
            yield user, permission.codename


def _permissions() -> QuerySet[Permission]:
    return Permission.objects.filter(content_type__app_label="permissions", codename__in=tuple(BY_CODENAME))


def _everywhere(principal: Principal) -> ManyRelatedManager[Permission, Any]:
    """Return the manager of the permissions that ``principal`` holds without an object, ours and those of the admin."""
    return principal.user_permissions if isinstance(principal, User) else principal.permissions
