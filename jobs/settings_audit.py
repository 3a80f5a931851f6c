"""Notes every change of the configuration for the audit, whichever form, command or program makes it.

It listens to the models, so that no door can forget it; what nobody does, as in workers and the daemon, is no decision
and is not noted. Semaphores and secrets are set by functions that leave their records themselves.

See ``docs/decisions/0041-settings-are-audited-by-signals.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection, models
from django.db.models import QuerySet
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from jobs import audit
from jobs.acting import COMMAND, acting
from jobs.addresses import shown_address
from jobs.audit import CHANGE, CREATE, DELETE, GRANT, Note
from jobs.audit_words import Hidden
from jobs.models import Nature, Project, ProjectEnvironment, RetentionPolicy, Secret, Semaphore, Subscription
from permissions import locks, policy
from permissions.catalog import BY_CODENAME, EVERYWHERE, Right
from permissions.models import ApiToken, Environment, ExternalIdentity, User
from permissions.policy import Principal
from permissions.signals import rights_changed, sessions_ended, sign_in_unlocked
from rules.models import Rule, RuleVersion

SCHEDULE: Final = "Schedule"
MOST_NAMED: Final = 20
_KINDS: Final[dict[type[models.Model], str]] = {
    User: "user",
    Group: "group",
    Environment: "environment",
    Project: "project",
    ProjectEnvironment: "project",
    Nature: "nature",
    ApiToken: "token",
    ExternalIdentity: "identity",
    Subscription: "subscription",
    RetentionPolicy: "retention",
}
_CHOSEN_BY_ONESELF: Final = frozenset({"language", "time_zone", "theme"})
"""Fields of a user that are no decision when they are their own."""

_NOT_NOTED: Final = frozenset({"last_login", "date_joined"})
_BEFORE: Final = "_audited_before"
_GRANTS: Final = "_audited_grants"
_NAME: Final = "_audited_name"


def connect() -> None:
    """Begin to listen."""
    kinds = dict(_KINDS)
    # The model comes with schedules; without them there is nothing to listen to.
    if SCHEDULE.lower() in apps.all_models["jobs"]:
        kinds[apps.get_model("jobs", SCHEDULE)] = "schedule"
    for model in kinds:
        pre_save.connect(remember, sender=model)
        post_save.connect(saved, sender=model)
    post_save.connect(published, sender=RuleVersion)
    for owner in (User, Group, Environment):
        pre_delete.connect(remember_grants, sender=owner)
    with_deletion: list[type[models.Model]] = [*kinds, Rule, Semaphore]
    for gone in with_deletion:
        pre_delete.connect(remember_name, sender=gone)
        post_delete.connect(deleted, sender=gone)
    for through in (User.groups.through, User.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(linked, sender=through)
    rights_changed.connect(granted)
    sign_in_unlocked.connect(unlocked)
    sessions_ended.connect(ended)
    post_delete.connect(forgotten, sender=AccessAttempt)
    _KINDS.update(kinds)


@cache
def addresses() -> tuple[str, ...]:
    """Return how the names of the administration's addresses begin at which the configuration is changed."""
    changed: list[type[models.Model]] = [*_KINDS, Rule, RuleVersion, Semaphore, Secret]
    names = [f"{model._meta.app_label}_{model._meta.model_name}_" for model in changed]
    return (*names, "auth_user_", "password_change")


def remember(sender: type[models.Model], instance: models.Model, **options: Any) -> None:
    """Keep what a row is before it is saved."""
    updated = options.get("update_fields")
    columns = [name for name in _columns(sender) if updated is None or name in updated]
    if acting.get() is None or options.get("raw") or not columns:
        return
    _hold_lock()
    rows = sender._base_manager.filter(pk=instance.pk) if instance.pk else sender._base_manager.none()
    if connection.in_atomic_block:
        # What comes next locks it anyway; until then nobody may make the old value another one.
        rows = rows.select_for_update(no_key=True)
    setattr(instance, _BEFORE, rows.values(*columns).first())


def _hold_lock() -> None:
    """Let one change of the configuration wait for another, also for a whole document of ``apply``: none sees half of it.

    It comes before any row is locked, as everywhere.
    """
    if connection.in_atomic_block:
        locks.hold()


def saved(sender: type[models.Model], instance: models.Model, created: bool, **options: Any) -> None:
    """Note a new row, or what is different in an old one."""
    if not hasattr(instance, _BEFORE):
        return
    before: dict[str, Any] | None = getattr(instance, _BEFORE)
    delattr(instance, _BEFORE)
    is_new = before is None
    values = {}
    for name in _columns(sender) if before is None else before:
        field: Any = sender._meta.get_field(name)
        old = field.get_default() if before is None else before[name]
        new = getattr(instance, field.attname)
        values[name] = _shown(instance, field, old), _shown(instance, field, new)
        if name == "repository" and old != new and values[name][0] == values[name][1]:
            values = {**values, "credentials of the repository": (Hidden.OLD, Hidden.NEW)}
    if isinstance(instance, User):
        _leave_out(instance, values, is_new=is_new)
    found = _note(CREATE if is_new else CHANGE, instance)
    if is_new:  # what it is called is said already
        values = {name: pair for name, pair in values.items() if pair[1] != found.name}
    found.values = _renamed(instance, values)
    if isinstance(instance, ProjectEnvironment):
        found.verb = CHANGE
    audit.note(found)


def published(sender: type[models.Model], instance: RuleVersion, created: bool, **options: Any) -> None:
    """Note a version of a rule; the first one makes the rule."""
    if not created or options.get("raw"):
        return
    why = f"version {instance.number}" + (f", {instance.comment}" if instance.comment else "")
    verb = CREATE if instance.number == 1 else CHANGE
    audit.note(Note(verb, "rule", instance.rule_id, instance.name, remarks=[why]))


def remember_name(sender: type[models.Model], instance: models.Model, **options: Any) -> None:
    """Keep what a row is called by while all that its name is made of is there: it may go before the row."""
    if acting.get() is not None:
        setattr(instance, _NAME, _note(DELETE, instance))


def remember_grants(sender: type[models.Model], instance: models.Model, **options: Any) -> None:
    """Keep what goes together with a row that is deleted: the rights granted on it or to it."""
    if acting.get() is None:
        return
    _hold_lock()
    found: dict[tuple[Principal, str], set[Right]] = {}
    if isinstance(instance, Environment):
        for principal, right in policy.grants_on(instance):
            found.setdefault((principal, instance.code), set()).add(right)
    elif isinstance(instance, User | Group):
        found = {(instance, code): rights for code, rights in policy.granted(instance).items()}
    remarks = _what_goes(instance)
    notes = [_grant(principal, code, rights, set()) for (principal, code), rights in found.items()]
    setattr(instance, _GRANTS, (remarks, notes))


def deleted(sender: type[models.Model], instance: models.Model, origin: Any = None, **options: Any) -> None:
    """Note that a row is gone, also when it went with another one: whoever looks for it looks for its own name.

    The variables of a project in environments are a part of it, whose end is told by its own record.
    """
    chosen = origin.model if isinstance(origin, QuerySet) else type(origin)
    if acting.get() is None or (sender is ProjectEnvironment and chosen is Project):
        return
    found: Note = getattr(instance, _NAME)
    if isinstance(instance, ProjectEnvironment):
        found.verb = CHANGE
        found.values = _renamed(instance, {"variables": (instance.variables, {})})
        found.remarks = ["no variables of its own any more"]
    remarks, notes = getattr(instance, _GRANTS, ([], []))
    found.remarks += remarks
    audit.note(found)
    for grant in notes:
        audit.note(grant)


def linked(
    sender: type[models.Model],
    instance: Any,
    action: str,
    reverse: bool,
    model: type[models.Model],
    pk_set: set[int] | None,
    **options: Any,
) -> None:
    """Note groups of a user, and permissions of the administration, that come or go."""
    if acting.get() is None or action not in {"post_add", "post_remove", "pre_clear"}:
        return
    name = next(field.name for field in _links() if field.remote_field.through is sender)
    if reverse:
        owners = getattr(instance, _accessor(sender)).all() if pk_set is None else model._base_manager.all()
        moved = {instance.pk}
        for owner in owners if pk_set is None else owners.filter(pk__in=pk_set):
            _note_links(owner, name, action, moved)
    else:
        _note_links(instance, name, action, pk_set or set())


def granted(
    sender: Any,
    principal: Principal,
    environment: Environment | None,
    before: Iterable[Right],
    after: Iterable[Right],
    **options: Any,
) -> None:
    """Note rights that somebody holds from now on, or no more."""
    code = EVERYWHERE if environment is None else environment.code
    audit.note(_grant(principal, code, before, after))


def unlocked(sender: Any, username: str | None, address: str | None, **options: Any) -> None:
    """Note that who failed too often at signing in may try again."""
    name, place = username or "–", address or "–"
    audit.note(Note("unlock", "sign_in", (name, place), name, remarks=[f"from {place}"]))


def forgotten(sender: type[models.Model], instance: AccessAttempt, **options: Any) -> None:
    """Note the same of what a command forgets; at a sign-in that works and when time is over, nobody decides."""
    if acting.get() == COMMAND:
        unlocked(sender, instance.username, instance.ip_address)


def ended(sender: Any, user: User, others: bool, **options: Any) -> None:
    """Note that all sessions of a user were ended."""
    remarks = ["all but the one that asked"] if others else []
    audit.note(Note("end", "sessions", user.pk, user.get_username(), remarks=remarks))


def _note_links(owner: Any, name: str, action: str, moved: set[int]) -> None:
    present = {row.pk: row for row in getattr(owner, name).all()}
    if action == "pre_clear":
        before, after = set(present), set()
    else:
        after = set(present)
        before = after - moved if action == "post_add" else after | moved
    target = getattr(type(owner), name).field.related_model
    rows = {row.pk: row for row in target._base_manager.filter(pk__in=before | after)}
    was, is_now = ([rows[pk] for pk in sorted(keys) if pk in rows] for keys in (before, after))
    if target is Permission:
        # Rights on all environments are kept as permissions. ``policy`` says itself what it changes; a form of the
        # administration, whose changes are gathered, does not.
        rights = [{BY_CODENAME[row.codename] for row in side if _is_right(row)} for side in (was, is_now)]
        if audit.is_together() and rights[0] != rights[1]:
            audit.note(_grant(owner, EVERYWHERE, *rights))
        was, is_now = ([row for row in side if not _is_right(row)] for side in (was, is_now))
    words = [sorted(map(_named, side)) for side in (was, is_now)]
    if words[0] != words[1]:
        found = _note(CHANGE, owner)
        found.values = {name: (words[0], words[1])}
        audit.note(found)


def _grant(principal: Principal, code: str, before: Iterable[Right], after: Iterable[Right]) -> Note:
    kind, name = ("group", principal.name) if isinstance(principal, Group) else ("user", principal.username)
    sides = [[right.value for right in Right if right in set(side)] for side in (before, after)]
    return Note(
        GRANT,
        kind,
        (principal.pk, code),
        f"{kind}:{name} on {code}",
        "" if code == EVERYWHERE else code,
        {"rights": (sides[0], sides[1])},
    )


def _note(verb: str, instance: models.Model) -> Note:
    """Return a note about a row, still without what is different."""
    if isinstance(instance, ProjectEnvironment):
        project, code = instance.project, instance.environment.code
        return Note(verb, "project", project.pk, project.code, code)
    kind = _KINDS.get(type(instance), str(instance._meta.model_name))
    environment = instance if isinstance(instance, Environment) else getattr(instance, "environment", None)
    code = environment.code if isinstance(environment, Environment) else ""
    return Note(verb, kind, instance.pk, str(instance), code)


def _columns(model: type[models.Model]) -> list[str]:
    """Return the fields whose changes are decisions."""
    names = {"password"} if model is User else set()
    return [
        field.name
        for field in model._meta.concrete_fields
        if field.name in names or (field.editable and not field.primary_key and field.name not in _NOT_NOTED)
    ]


def _shown(instance: models.Model, field: Any, value: Any) -> Any:
    """Return a value as a record may hold it."""
    if field.is_relation:
        if value is None:
            return None
        present = getattr(instance, field.name)
        if present is None or present.pk != value:
            present = field.related_model._base_manager.filter(pk=value).first()
        return str(present)
    if field.name == "repository":
        return shown_address(str(value))
    if field.name == "webhook_url":
        # What follows the host often is a key of its own.
        return "/".join(str(value).split("/")[:3])
    return value


def _leave_out(user: User, values: dict[str, tuple[Any, Any]], *, is_new: bool) -> None:
    """Hide the password, and take away what is no decision about a user."""
    old, new = values.pop("password", ("", ""))
    # A password that is only hashed anew, as at sign-in, is not kept in the clear beside its hash.
    is_set = getattr(user, "_password", None) is not None or not user.has_usable_password()
    if old != new and is_set and not is_new:
        values["password"] = Hidden.OLD, Hidden.NEW
    author = acting.get()
    if author is not None and author.name == user.get_username():
        for name in _CHOSEN_BY_ONESELF:
            values.pop(name, None)


def _renamed(instance: models.Model, values: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """Return the values of a project's variables in an environment under a name that says so."""
    if not isinstance(instance, ProjectEnvironment):
        return values
    return {f"variables in {instance.environment.code}": values["variables"]} if "variables" in values else {}


def _what_goes(instance: models.Model) -> list[str]:
    """Return what a deletion takes along that nobody else notes."""
    if isinstance(instance, Group):
        members = User.objects.filter(groups=instance).order_by("username").values_list("username", flat=True)
        return _counted("members", members)
    return []


def _counted(what: str, names: QuerySet[Any, str]) -> list[str]:
    found = list(names[: MOST_NAMED + 1])
    more = ", …" if len(found) > MOST_NAMED else ""
    return [f"{what} {', '.join(found[:MOST_NAMED])}{more}"] if found else []


def _links() -> list[Any]:
    return [User._meta.get_field("groups"), User._meta.get_field("user_permissions"), _group_permissions()]


def _group_permissions() -> Any:
    return Group._meta.get_field("permissions")


def _accessor(through: type[models.Model]) -> str:
    """Return by what name the other side of a relation reaches its owners."""
    field = next(each for each in _links() if each.remote_field.through is through)
    return str(field.remote_field.get_accessor_name())


def _is_right(permission: Permission) -> bool:
    return permission.codename in BY_CODENAME


def _named(row: Any) -> str:
    return f"{row.content_type.app_label}.{row.codename}" if isinstance(row, Permission) else str(row)
