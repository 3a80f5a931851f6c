"""Section 5 through every door: P7, tried with every right and every way to hold it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import ndiff

import pytest
from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from jobs.actions import create
from jobs.actions.base import every_action
from jobs.models import CreationRequest
from permissions.models import Environment
from tests.factories import JobFactory
from tests.matrix import access, asking, singles, table
from tests.matrix.access import Person
from tests.matrix.acts import ACTIONS
from tests.matrix.doors import Door, doors
from tests.matrix.expectations import PENDING, ROWS
from tests.matrix.expectations_admin import BEYOND_REACH
from tests.matrix.people import SEES_ELSEWHERE, SINGLE
from tests.matrix.rows import Key, Row
from tests.matrix.world import World, build
from tests.turns import due

pytestmark = pytest.mark.django_db

DOORS = doors()
TRIED = [door for door in DOORS if (door.name, door.method, door.action) in ROWS]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker, broker: str) -> Iterator[World]:
    """What is behind the doors, made once; each request is taken back, and all of it at the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        # A refusal is what is tried here, nothing to warn of a thousand times.
        logging.disable(logging.ERROR)
        world = build()
        # What is deferred until the end of the transaction would be looked at anew at the end of each test.
        connection.check_constraints()
        # Nothing that is there by now goes before the end: looking through it again and again would take a tenth of the time.
        gc.freeze()
        yield world
        logging.disable(logging.NOTSET)
        transaction.set_rollback(True)


def _worker(request: CreationRequest, seconds: float) -> None:
    """Make the job that is asked for, in the place of the worker, which is another process."""
    environment = Environment.objects.get(pk=request.wish["environment_id"])
    request.job = JobFactory.create(environment=environment, created_by=request.actor)
    request.state = CreationRequest.State.DONE


def _wrong(door: Door, row: Row, world: World) -> list[str]:
    """Return what is wrong with a door, a line for each of those who tried."""
    trial = asking.Trial(door, row, world)
    return [text for cell in asking.cells_due(door, row) if (text := trial.problem(cell))]


def test_every_door_has_a_row() -> None:
    missing = [door for door in DOORS if (door.name, door.method, door.action) not in ROWS]
    assert not missing, (
        "Nobody has said whom these doors are for. Look in PRODUCT.md, sections 5, 9 and 10, and add a row for each to "
        f"tests/matrix/expectations.py: {', '.join(map(str, missing))}"
    )


def test_every_row_has_a_door() -> None:
    there = {(door.name, door.method, door.action) for door in DOORS}
    left = [" ".join(key) for key in ROWS if key not in there]
    assert not left, f"These rows of tests/matrix/expectations.py are about doors that are not there: {left}"


def test_every_action_has_an_expected_right() -> None:
    known, wanted = set(every_action()), set(ACTIONS)
    assert known <= wanted, (
        "Nobody has said whom these actions are for. Look in PRODUCT.md, section 5, and add a line for each to ACTIONS in "
        f"tests/matrix/acts.py, with a job at which it is possible: {sorted(known - wanted)}"
    )
    assert wanted <= known, f"ACTIONS names what is no action: {sorted(wanted - known)}"
    behind = {door.action for door in DOORS if asking.is_api(door)}
    assert known <= behind, f"These actions have no address in the API: {sorted(known - behind)}"


def test_the_table_is_current() -> None:
    current = table.PATH.exists() and table.PATH.read_text(encoding="utf-8") == table.render()
    assert current, "Run `python -m tests.matrix --write`: docs/rights.md is not what the matrix says."


@pytest.mark.parametrize("key", BEYOND_REACH, ids=" ".join)
def test_nobody_gets_hold_of_more(key: Key, world: World) -> None:
    door = next(door for door in DOORS if (door.name, door.method) == key[:2])
    row = BEYOND_REACH[key]
    wrong = _wrong(door, row, world)
    assert not wrong, f"{door} of what {key[2]}, {row.access.words}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("door", TRIED, ids=str)
def test_door(door: Door, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "_wait", _worker)
    row = ROWS[door.name, door.method, door.action]
    wrong = _wrong(door, row, world)
    pending = next((why for start, why in PENDING.items() if door.name.startswith(start)), "")
    if wrong and pending:
        pytest.xfail(pending)
    assert not wrong, f"{door}, {row.access.words} (section {row.section}):\n" + "\n".join(wrong)


def test_the_administration_asks_the_same_of_the_database_for_what_is_hidden(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long a refusal takes would tell that something is there."""
    monkeypatch.setattr(create, "_wait", _worker)
    cell = asking.Cell(SEES_ELSEWHERE, asking.SESSION)
    wrong, compared = [], set()
    for door in filter(asking.is_admin, TRIED):
        row = ROWS[door.name, door.method, door.action]
        if row.access.answer(SEES_ELSEWHERE) != access.ABSENT:
            continue
        hidden, nothing = asking.Trial(door, row, world).questions(cell)
        compared.add(door.name)
        if hidden != nothing:
            wrong.append(f"{door}:\n" + "\n".join(ndiff(nothing, hidden)))
    assert compared >= {
        f"admin:{table}_{page}"
        for table in (
            "jobs_job",
            "permissions_environment",
            "jobs_schedule",
            "jobs_secret",
            "jobs_auditrecord",
        )
        for page in ("change", "history")
    }
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("table", due(singles.TABLES, every=2))
def test_one_permission_of_djangos_opens_what_it_is_for(
    table: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "_wait", _worker)
    wrong: list[str] = []
    for person, tried in singles.holders(table, singles.doors_of(table, TRIED)):
        with _let_in(world, person):
            wrong += filter(None, [singles.problem_at_door(world, door, person) for door in tried])
    assert not wrong, "\n".join(wrong)


def test_every_action_on_chosen_rows_has_an_expectation(world: World) -> None:
    assert singles.choices(world) == set(singles.CHOSEN), "Nobody has said whom these actions are for."


@pytest.mark.parametrize("table", sorted({table for table, _name in singles.CHOSEN}))
def test_chosen_rows(table: str, world: World) -> None:
    choices = [choice for choice in singles.CHOSEN if choice[0] == table]
    wrong: list[str] = []
    for person in singles.choosers(table):
        with _let_in(world, person):
            wrong += filter(None, [singles.problem_with_chosen(world, choice, person) for choice in choices])
    assert not wrong, "\n".join(wrong)


@contextmanager
def _let_in(world: World, person: Person) -> Iterator[None]:
    """Give somebody an account for a while."""
    if person.name in world.keys:
        yield
        return
    with transaction.atomic():
        keys = world.keys[person.name] = world.keys[SINGLE.name]
        keys.permit(person)
        yield
        del world.keys[person.name]
        transaction.set_rollback(True)
