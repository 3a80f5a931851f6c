"""What an administrator who is no superuser may hand out, and whose account such a one may touch.

Nobody hands out more than they hold, and nobody gets hold of an account, by its password or otherwise, that may do more than
their own. Whom rules name as approvers may sign, which counts as ``approve_all`` here: only who holds that everywhere, or is
named in the same way, lets others sign in that name. Superusers may do everything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db.models import Q, QuerySet

from permissions import policy
from permissions.catalog import EVERYWHERE, Right
from permissions.models import Environment, User
from permissions.policy import Principal
from permissions.rights import Grant

_APPROVERS: list[Callable[[], Collection[str]]] = []


def ask_for_approvers(source: Callable[[], Collection[str]]) -> None:
    """Have ``source`` asked who is named as an approver: it returns principals, ``group:qa`` and ``user:ana``."""
    _APPROVERS.append(source)


def knows_groups(asker: User | AnonymousUser) -> bool:
    """Return whether the asker may know what groups are called."""
    return asker.has_perm("auth.view_group")


class Reach:
    """How far one administrator reaches, as read once."""

    def __init__(self, asker: User | AnonymousUser, *, may_grant: bool = True) -> None:
        """Read what the asker holds.

        Args:
            asker: Who wants to change something.
            may_grant: False for somebody who may look at rights here but not grant any.
        """
        self.asker, self.may_grant = asker, may_grant
        self.is_unlimited = policy.administers(asker)
        self._rights = policy.rights_of(asker)
        self._codes: dict[str, int] | None = None
        self._barred: frozenset[int] | None = None
        self._beyond: frozenset[str] | None = None
        self._covered: dict[tuple[type[Principal], int], bool] = {}

    def environments(self) -> QuerySet[Environment]:
        """Return the environments that exist for the asker."""
        return policy.environments_for(self.asker)

    def rights_on(self, environment: Environment | None) -> frozenset[Right]:
        """Return what the asker may grant and take there; ``None`` for all environments."""
        if not self.may_grant:
            return frozenset()
        if self.is_unlimited:
            return frozenset(Right)
        return self._rights.on_all if environment is None else self._rights.on(environment.pk)

    def may_grant_to(self, principal: Principal) -> bool:
        """Return whether the asker may change the rights of ``principal`` at all: not their own, not a superuser's.

        What a group holds its members hold, so that a group of the asker's, or with a superuser in it, is out of reach too:
        otherwise rights that are taken from somebody could come back by a group.
        """
        if self.is_unlimited:
            return True
        if isinstance(principal, Group):
            return principal.pk not in self._groups_out_of_reach()
        return not principal.is_superuser and principal.pk != self.asker.pk

    def _groups_out_of_reach(self) -> frozenset[int]:
        """Return the keys of the groups that hold for the asker or for a superuser. One query, asked once."""
        if self._barred is None:
            members = Q(user=self.asker.pk) | Q(user__is_superuser=True)
            self._barred = frozenset(Group.objects.filter(members).values_list("pk", flat=True))
        return self._barred

    def covers(self, principal: Principal) -> bool:
        """Return whether ``principal`` holds nothing that the asker does not hold too, as first asked."""
        if self.is_unlimited:
            return True
        key = type(principal), principal.pk
        if key not in self._covered:
            self._covered[key] = self._covers(principal)
        return self._covered[key]

    def _covers(self, principal: Principal) -> bool:
        if isinstance(principal, User) and principal.is_superuser:
            return False
        if isinstance(principal, User):
            users = User.objects.filter(pk=principal.pk)
            groups = principal.groups.all()
        else:
            users = User.objects.none()
            groups = Group.objects.filter(pk=principal.pk)
        if self._approvers_beyond() & _names(principal, groups):
            return False
        granted = policy.read_grants(users=users, groups=groups, environments=Environment.objects.all())
        return self._cover(granted) and self._may_all(policy.other_permissions(principal))

    def may_make(self, principal: str) -> bool:
        """Return whether the asker may make a user or group of that name, ``user:ana`` or ``group:qa``.

        Rules may name approvers who are not there yet; whoever made one of them could sign in that name.
        """
        return self.is_unlimited or principal not in self._approvers_beyond()

    def may_change(self, user: User) -> bool:
        """Return whether the asker may change the account: neither their own nor one that may do more."""
        return self.is_unlimited or (user.pk != self.asker.pk and self.covers(user))

    def groups(self) -> QuerySet[Group]:
        """Return the groups that the asker may put users into. As many queries however many there are."""
        if self.is_unlimited:
            return Group.objects.all()
        granted: dict[str, list[Grant]] = defaultdict(list)
        everywhere = Environment.objects.all()
        for grant in policy.read_grants(
            users=User.objects.none(), groups=Group.objects.all(), environments=everywhere
        ):
            granted[grant.principal].append(grant)
        beyond = {
            name
            for name, label, codename in policy.permissions_of_groups()
            if not self.asker.has_perm(f"{label}.{codename}")
        }
        beyond |= {name.removeprefix("group:") for name in self._approvers_beyond()}
        names = Group.objects.values_list("name", flat=True)
        within = [name for name in names if name not in beyond and self._cover(granted[f"group:{name}"])]
        return Group.objects.filter(name__in=within)

    def permissions(self) -> QuerySet[Permission]:
        """Return the permissions of the admin that the asker may hand out."""
        found = policy.grantable_permissions()
        if self.is_unlimited:
            return found
        mine = (
            policy.other_permissions(self.asker)
            if isinstance(self.asker, User)
            else Permission.objects.none()
        )
        return found.filter(pk__in=mine.values("pk"))

    def _approvers_beyond(self) -> frozenset[str]:
        """Return the principals in whose name the asker could not sign."""
        if self._beyond is None:
            named = frozenset[str]()
            if Right.APPROVE_ALL not in self._rights.on_all:
                named = frozenset(name for source in _APPROVERS for name in source())
            asker = self.asker
            self._beyond = named - (_names(asker, asker.groups.all()) if isinstance(asker, User) else set())
        return self._beyond

    def _cover(self, granted: Iterable[Grant]) -> bool:
        return all(grant.right in self._held_on(grant.environment) for grant in granted)

    def _held_on(self, code: str) -> frozenset[Right]:
        if code == EVERYWHERE:
            return self._rights.on_all
        if self._codes is None:
            self._codes = dict(Environment.objects.values_list("code", "pk"))
        return self._rights.on(self._codes.get(code, 0))

    def _may_all(self, permissions: QuerySet[Permission]) -> bool:
        found = permissions.values_list("content_type__app_label", "codename")
        return all(self.asker.has_perm(f"{label}.{codename}") for label, codename in found)


def _names(principal: Principal, groups: QuerySet[Group]) -> set[str]:
    """Return how rules name a user or group, and the groups with it."""
    names = {f"group:{name}" for name in groups.values_list("name", flat=True)}
    return names | {f"user:{principal.get_username()}"} if isinstance(principal, User) else names
