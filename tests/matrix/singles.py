"""Staff with one of Django's permissions and no other: who may only look, only change, only add or only delete.

Each of them tries all doors of the table that the permission is about. Somebody who has every permission but those of the
table tries them as well, so that none of its doors opens for a permission of another table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Final

from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model
from django.test import RequestFactory

from jobs.models import Schedule
from tests.matrix import asking
from tests.matrix.access import NEVER, OK, SUPERUSERS, Access, Person, staff
from tests.matrix.asking import SESSION, Ask, Cell
from tests.matrix.doors import Door
from tests.matrix.expectations import ROWS
from tests.matrix.people import ALL, SUPERUSER, djangos, name_of
from tests.matrix.world import World

Choice = tuple[str, str]
"""A table and the name of an action on rows that are chosen in its list."""


def _deleting(table: str, where: str = "") -> Access:
    """Return who deletes rows that are chosen in the list: who may see it, and delete."""
    app, _sign, model = table.rpartition("_")
    view, change, delete = (f"{app}.{verb}_{model}" for verb in ("view", "change", "delete"))
    return staff(view, change, every=(delete,), where=where)


_DELETED: Final = (
    "auth_group", "jobs_nature", "jobs_project", "jobs_retentionpolicy", "jobs_secret", "jobs_semaphore",
    "permissions_environment", "permissions_user", "rules_rule",
)  # fmt: skip
_SWITCHES: Final = staff("jobs.change_schedule", where="creates here")

CHOSEN: Final[Mapping[Choice, Access]] = {
    **{(table, "delete_selected"): _deleting(table) for table in _DELETED},
    ("jobs_schedule", "delete_selected"): _deleting("jobs_schedule", "creates here"),
    ("permissions_apitoken", "delete_selected"): _deleting("permissions_apitoken", "of another"),
    **dict.fromkeys(
        (
            ("axes_accessattempt", "unlock"),
            ("jobs_subscription", "delete_selected"),
            ("permissions_externalidentity", "delete_selected"),
        ),
        SUPERUSERS,
    ),
    **{("jobs_schedule", name): _SWITCHES for name in ("enable", "disable", "run_by_hand")},
}
"""Whom the actions on chosen rows are for; those on jobs are doors of their own, each with its right."""


def _called(model: type[Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}"


_MODELS: Final = {_called(model): model for model in admin.site._registry}
TABLES: Final = sorted(_MODELS)
"""The tables of the administration, as it says itself."""


def doors_of(table: str, doors: list[Door]) -> list[Door]:
    """Return the doors of a table, but for the short address of a row, which leads everybody to its page."""
    meta = _MODELS[table]._meta
    start = f"admin/{meta.app_label}/{meta.model_name}/"
    return [
        door for door in doors if door.route.startswith(start) and not door.name.endswith("<path:object_id>/")
    ]


def holders(table: str, doors: list[Door]) -> Iterator[tuple[Person, list[Door]]]:
    """Yield those who hold permissions of a table, or all others, each with the doors of the table to try.

    A table for superusers is tried by who holds all of its permissions: less opens no more. What a group gives is looked at
    as what somebody holds themselves, so that it is tried where rows are written, and in the list.
    """
    everything = frozenset(map(name_of, djangos()))
    own = _own(table)
    accesses = {ROWS[door.name, door.method, door.action].access for door in doors}
    plain = [door for door in doors if door.name.endswith(("_changelist", "_add", "_change", "_delete"))]
    written = [door for door in plain if door.method == "POST" or door.name.endswith("_changelist")]
    if accesses <= {NEVER, SUPERUSERS}:
        yield _person(f"staff with all of {table}", own, by_group=True), doors
    else:
        for name in sorted(own):
            yield _person(f"staff with {name}", {name}), doors
            yield _person(f"staff with {name} through a group", {name}, by_group=True), written
    yield _person(f"staff with all but those of {table}", everything - own), doors


def _own(table: str) -> frozenset[str]:
    kind = ContentType.objects.get_for_model(_MODELS[table])
    return frozenset(name_of(each) for each in djangos().filter(content_type=kind))


def _person(name: str, permissions: Set[str], *, by_group: bool = False) -> Person:
    held = frozenset(permissions)
    return Person(name, is_staff=True, everywhere=ALL, permissions=held, by_group=by_group)


def choices(world: World) -> set[Choice]:
    """Return all actions on chosen rows that the administration offers a superuser, but for those on jobs."""
    request = RequestFactory().get("/admin/")
    request.user = world.keys[SUPERUSER.name].user
    return {
        (table, name)
        for table, model in _MODELS.items()
        if table != "jobs_job"
        for name in admin.site.get_model_admin(model).get_actions(request)
    }


def choosers(table: str) -> Iterator[Person]:
    """Yield who tries the actions on chosen rows: with one of the table's permissions, with those that are enough, and others."""
    yield SUPERUSER
    app, _sign, model = table.rpartition("_")
    view, change, delete = (f"{app}.{verb}_{model}" for verb in ("view", "change", "delete"))
    own = _own(table)
    if all(access is SUPERUSERS for choice, access in CHOSEN.items() if choice[0] == table):
        yield _person(f"staff with all of {table}", own)
        return
    others = frozenset(map(name_of, djangos())) - own
    for held in ({delete}, {view, delete}, {change, delete}, own - {delete}, others):
        said = " and ".join(sorted(held)) if held <= own else f"all but those of {table}"
        yield _person(f"staff with {said}", held)


def problem_at_door(world: World, door: Door, person: Person) -> str:
    """Return what is wrong when somebody tries a door, empty when nothing is."""
    row = ROWS[door.name, door.method, door.action]
    found = asking.Trial(door, row, world).problem(Cell(person, SESSION))
    return f"{door}{found}" if found else ""


def problem_with_chosen(world: World, choice: Choice, person: Person) -> str:
    """Return what is wrong when somebody does something with a row that is chosen in a list."""
    table, name = choice
    meta = _MODELS[table]._meta
    sent = {"action": name, "index": "0", "_selected_action": str(world.spares[table]), "post": "yes"}
    ask = Ask("POST", f"/admin/{meta.app_label}/{meta.model_name}/", sent, is_json=False)
    want = CHOSEN[choice].answer(person)
    with transaction.atomic():
        # What is enabled already is not enabled again.
        if name == "enable":
            Schedule.objects.update(enabled=False, next_run_at=None)
        got = asking.answer(world, ask, Cell(person, SESSION))
        transaction.set_rollback(True)
    is_done = got.wrote and got.touched and got.status == 302
    if want == OK:
        return "" if is_done else f"  {person.name}: nothing was done and recorded, {got.status}"
    return f"  {person.name}: {want}, and something was done" if got.wrote or got.touched else ""
