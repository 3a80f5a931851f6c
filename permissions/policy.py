"""Who may do what, where: the only module of ours that reads and writes grants, our own and django-guardian's.

A grant on one environment is an object permission of django-guardian; a grant on all of them (``*``) is the same permission held
without an object. guardian's own mixing of the two (``accept_global_perms``) differs between its lists and ``has_perm``, so it is
never asked to mix: one pass here reads both kinds and decides.

Source: product document, "Permisos"; contract, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import connection, transaction
from django.db.models import Prefetch, Q, QuerySet
from guardian.shortcuts import assign_perm, remove_perm

from clarive_monitor import prepared
from clarive_monitor.prepared import Lookup
from permissions import grant_queries as queries
from permissions import locks
from permissions.catalog import BY_CODENAME, EVERYWHERE, Right
from permissions.exceptions import EnvironmentHidden, RightMissing
from permissions.models import Environment, EnvironmentGroupGrant, EnvironmentUserGrant, User
from permissions.rights import NOTHING, Grant, GrantKey, GrantRow, Limits, Rights, Sight
from permissions.signals import rights_changed

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import ManyRelatedManager

AnyUser = User | AnonymousUser
Principal = User | Group
_read: Final = ContextVar[dict[tuple[int, bool, Limits | None], Rights] | None]("_read", default=None)
_by_code: Final = Lookup(Environment, by="code = %s::text")


def rights_of(user: AnyUser) -> Rights:
    """Read all rights of ``user``, as far as the token that the user came with goes.

    An inactive or anonymous user holds nothing. One query, whatever there is, and one more for a token that is
    limited to environments; none for what was read before within ``read_once``.
    """
    if not isinstance(user, User) or not user.is_active:
        return NOTHING
    known = _read.get()
    key = (user.pk, user.is_superuser, user.limits)
    if known is not None and key in known:
        return known[key]
    rights = Rights(everything=True) if user.is_superuser else _held_by(user)
    rights = rights if user.limits is None else _within(user.limits, rights)
    if known is not None:
        known[key] = rights
    return rights


@contextmanager
def read_once() -> Iterator[None]:
    """Let rights that are read in the block be those of its beginning: for what changes nothing, and does not last.

    A page asks six times what its reader may see; whoever decides something asks anew each time.
    """
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


def administers(user: AnyUser) -> bool:
    """Return whether ``user`` may change what belongs to no environment; nobody does with a limited token."""
    return isinstance(user, User) and user.administers


def _within(limits: Limits, rights: Rights) -> Rights:
    """Return what a token leaves of the rights of its user."""
    if limits.rights is not None:
        rights = rights.only(limits.rights)
    if limits.environments is not None:
        there = Environment.objects.filter(code__in=limits.environments)
        rights = rights.only_on(there.values_list("pk", flat=True))
    return rights


def _held_by(user: User) -> Rights:
    with prepared.cursor() as cursor:
        cursor.execute(queries.HELD, {"user": user.pk, "codenames": list(BY_CODENAME)})
        rows = cursor.fetchall()
    held: dict[int | None, set[Right]] = {}
    for environment_id, codename in rows:
        held.setdefault(environment_id, set()).add(BY_CODENAME[codename])
    everywhere = frozenset(held.pop(None, set()))
    return Rights(
        everywhere=everywhere,
        by_environment={key: frozenset(rights) for key, rights in held.items() if key is not None},
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


def visible_environment(user: AnyUser, code: str) -> Environment | None:
    """Return the environment of this code, ``None`` when there is none that ``user`` may see."""
    rights, found = rights_of(user), _by_code.first(code)
    return found if found is not None and rights.has(Right.VIEW_MONITOR, found.pk) else None


def environment_filter(rights: Rights, right: Right, lookup: str) -> Q:
    """Return a condition on the environment's key under ``lookup`` that keeps what ``rights`` allow."""
    if rights.everything or {right, Right.VIEW_MONITOR} <= rights.everywhere:
        return Q()
    keys = Environment.objects.values_list("pk", flat=True) if rights.everywhere else rights.by_environment
    return Q(**{f"{lookup}__in": [key for key in keys if rights.has(right, key)]})


def set_rights(
    principal: Principal, environment: Environment | None, rights: Iterable[Right]
) -> frozenset[Right]:
    """Make the rights granted to ``principal`` on ``environment`` exactly ``rights``.

    Args:
        principal: Who; what a user has through groups is not touched.
        environment: Where; ``None`` for the grants on all of them, also those to come.
        rights: All that shall be granted there.

    Returns:
        The rights that were given or taken. When there are any, ``rights_changed`` was sent.
    """
    wanted = frozenset(rights)
    return _change(principal, environment, lambda _before: wanted)


def grant(principal: Principal, right: Right, environment: Environment | None) -> None:
    """Grant ``right`` on ``environment``, on all of them when ``None``. Granting twice is granting once."""
    _change(principal, environment, lambda before: before | {right})


def revoke(principal: Principal, right: Right, environment: Environment | None) -> None:
    """Take ``right`` on ``environment`` (``None``: the grant on ``*``) away. Nothing happens when it was not held."""
    _change(principal, environment, lambda before: before - {right})


@transaction.atomic
def _change(
    principal: Principal,
    environment: Environment | None,
    decide: Callable[[frozenset[Right]], frozenset[Right]],
) -> frozenset[Right]:
    """Change what is granted, the only place that does; what was granted is read under the lock."""
    locks.hold()
    before = granted_on(principal, environment)
    after = decide(before)
    if environment is None:
        held = _everywhere(principal)
        if given := after - before:
            held.add(*_permissions().filter(codename__in=_codenames(given)))
        if taken := before - after:
            held.remove(*_permissions().filter(codename__in=_codenames(taken)))
    else:
        for right in sorted(after - before):
            assign_perm(right.permission, principal, environment)
        for right in sorted(before - after):
            remove_perm(right.permission, principal, environment)
    if before != after:
        rights_changed.send(
            sender=type(principal), principal=principal, environment=environment, before=before, after=after
        )
    return before ^ after


def _codenames(rights: Collection[Right]) -> list[str]:
    return [right.codename for right in rights]


def granted_on(principal: Principal, environment: Environment | None) -> frozenset[Right]:
    """Return the rights granted to ``principal`` itself on ``environment``, on all of them when ``None``."""
    if environment is None:
        found = set(permissions_everywhere(principal).values_list("codename", flat=True))
    else:
        rows = _rows(principal).filter(content_object=environment)
        found = set(rows.values_list("permission__codename", flat=True))
    return frozenset(BY_CODENAME[codename] for codename in found if codename in BY_CODENAME)


def granted(principal: Principal) -> dict[str, set[Right]]:
    """Return the rights granted to ``principal`` itself, by environment code or ``*``; groups of a user are not followed."""
    found: dict[str, set[Right]] = {}
    by_environment = _rows(principal).values_list("content_object__code", "permission__codename")
    for code, codename in by_environment:
        if codename in BY_CODENAME:
            found.setdefault(code, set()).add(BY_CODENAME[codename])
    for codename in (
        _everywhere(principal).filter(codename__in=BY_CODENAME).values_list("codename", flat=True)
    ):
        found.setdefault(EVERYWHERE, set()).add(BY_CODENAME[codename])
    return found


def read_grants(
    *, users: QuerySet[User], groups: QuerySet[Group], environments: QuerySet[Environment]
) -> list[Grant]:
    """Return what was granted to these themselves, on these environments and on all of them. Four queries.

    Args:
        users: Their groups are not followed.
        groups: What was granted to them, whoever is in them.
        environments: Where; what was granted on ``*`` is always among the answer.
    """
    found: list[Grant] = []
    on_them: dict[str, Any] = {
        "content_object__in": environments,
        "permission__codename__in": tuple(BY_CODENAME),
    }
    fields = ("content_object__code", "permission__codename")
    own = EnvironmentUserGrant.objects.filter(user__in=users, **on_them)
    theirs = EnvironmentGroupGrant.objects.filter(group__in=groups, **on_them)
    for name, code, codename in own.values_list("user__username", *fields):
        found.append(Grant(f"user:{name}", code, BY_CODENAME[codename]))
    for name, code, codename in theirs.values_list("group__name", *fields):
        found.append(Grant(f"group:{name}", code, BY_CODENAME[codename]))
    for name, codename in _permissions().filter(user__in=users).values_list("user__username", "codename"):
        found.append(Grant(f"user:{name}", EVERYWHERE, BY_CODENAME[codename]))
    for name, codename in _permissions().filter(group__in=groups).values_list("group__name", "codename"):
        found.append(Grant(f"group:{name}", EVERYWHERE, BY_CODENAME[codename]))
    return found


def listed(
    sight: Sight, *, beyond: GrantKey | None, backward: bool, inclusive: bool, count: int
) -> list[GrantRow]:
    """Return grants in the order of their keys, one row for each principal and environment. One query.

    Args:
        sight: Which of them there are for the asker.
        beyond: Where to begin; ``None`` for the beginning.
        backward: Walk from the last to the first.
        inclusive: The grant ``beyond`` itself is among the answer.
        count: At most so many.
    """
    sign = ("<" if backward else ">") + ("=" if inclusive else "")
    values: dict[str, Any] = {
        "codenames": list(BY_CODENAME),
        "users": None if sight.users is None else sorted(sight.users),
        "groups": None if sight.groups is None else sorted(sight.groups),
        "environments": None if sight.environments is None else sorted(sight.environments),
        "count": count,
        **dict(zip(("kind", "principal", "environment"), beyond or GrantKey("", 0, 0), strict=True)),
    }
    query = queries.LISTED.format(
        beyond=queries.BEYOND.format(sign=sign) if beyond else "", way="DESC" if backward else "ASC"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        rows = cursor.fetchall()
    return [
        GrantRow(GrantKey(kind, principal, environment), frozenset(BY_CODENAME[name] for name in names))
        for kind, principal, environment, names in rows
    ]


def other_permissions(principal: Principal) -> QuerySet[Permission]:
    """Return the permissions of the admin that ``principal`` holds, those of a user's groups included."""
    ours = _permissions().values("pk")
    if isinstance(principal, User):
        return (
            Permission.objects.exclude(pk__in=ours)
            .filter(Q(user=principal) | Q(group__user=principal))
            .distinct()
        )
    return Permission.objects.exclude(pk__in=ours).filter(group=principal)


def permissions_of_groups() -> list[tuple[str, str, str]]:
    """Return name of the group, app and codename of each permission of the admin that a group holds."""
    found = grantable_permissions().filter(group__isnull=False)
    return list(found.values_list("group__name", "content_type__app_label", "codename"))


def grantable_permissions() -> QuerySet[Permission]:
    """Return the permissions of the admin alone: rights on environments are granted by ``set_rights``."""
    return Permission.objects.exclude(pk__in=_permissions().values("pk"))


def permissions_everywhere(principal: Principal) -> QuerySet[Permission]:
    """Return the rights granted to ``principal`` itself on ``*`` as Django keeps them, beside those of the admin."""
    return _everywhere(principal).filter(pk__in=_permissions().values("pk"))


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


def _rows(principal: Principal) -> QuerySet[EnvironmentUserGrant] | QuerySet[EnvironmentGroupGrant]:
    """Return what was granted to ``principal`` itself, environment by environment."""
    if isinstance(principal, User):
        return EnvironmentUserGrant.objects.filter(user=principal)
    return EnvironmentGroupGrant.objects.filter(group=principal)


def _everywhere(principal: Principal) -> ManyRelatedManager[Permission, Any]:
    """Return the manager of the permissions that ``principal`` holds without an object, ours and those of the admin."""
    return principal.user_permissions if isinstance(principal, User) else principal.permissions
