"""Trying a door: the request, its answer, and what the answer should have been."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any, Final
from urllib.parse import quote

from django.db import connection, transaction
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from jobs.models import AuditRecord
from tests.matrix import access, world
from tests.matrix.access import ELSEWHERE, HERE, Person
from tests.matrix.doors import Door
from tests.matrix.people import HOLDERS, OTHERS, STAFF, STAFF_WITH, SUPERUSER, limited, username
from tests.matrix.rows import Here, Row
from tests.matrix.world import NOBODY, NOWHERE, World, mark_of, people_of
from tests.turns import is_due

SESSION: Final = "session"
TOKEN: Final = "token"
_SECRET: Final = re.compile(
    rb'(?<=name="csrfmiddlewaretoken" value=")[^"]*|(?<=name="key" value=")[^"]*|(?<=name="seen_)[^>]*'
)
_PARAMETER: Final = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
_NUMBER: Final = re.compile(r"(?<=/)\d+(?=/)|(?<= )\d+(?=:)")
_DIGITS: Final = re.compile(r"\d+")
_PLACES: Final = ("code", "environment")
_WRITING: Final = ("INSERT ", "UPDATE ", "DELETE ")
_OF_SESSIONS: Final = '"django_session"'
_BORING: Final = frozenset({"Set-Cookie", "Content-Length", "Expires", "RateLimit"})
"""Headers that differ from second to second."""


class _Bare(Client):
    """A client that keeps no templates and contexts of what was rendered: thousands of pages are asked for here."""

    def request(self, **request: Any) -> Any:
        """Return the answer as the server would send it."""
        return self.handler(self._base_environ(**request))  # type: ignore[attr-defined]


_client: Final = _Bare()


@dataclass(frozen=True, slots=True)
class Ask:
    """A request."""

    method: str
    address: str
    data: Mapping[str, Any]
    is_json: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: Of HTTP.
        headers: By name.
        body: As it was sent.
        done: Whether the audit says that the action was done that was looked for.
        touched: Whether a request that is no GET left anything in the audit.
        queries: What the database was asked, without values.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    done: bool = False
    touched: bool = False
    queries: tuple[str, ...] = ()

    @property
    def wrote(self) -> bool:
        """Whether anything but sessions was written, in the audit or elsewhere."""
        return any(query.startswith(_WRITING) and _OF_SESSIONS not in query for query in self.queries)


@dataclass(frozen=True, slots=True)
class Cell:
    """One person with one kind of key."""

    person: Person
    key: str

    def __str__(self) -> str:
        return f"{self.person.name} ({self.key})"


def is_api(door: Door) -> bool:
    """Return whether programs come through the door: with a token as well as with a session."""
    return door.route.startswith("api/") or door.name == "metrics"


def is_admin(door: Door) -> bool:
    """Return whether the door belongs to the administration."""
    return door.route.startswith("admin/")


def cells(door: Door, row: Row) -> Iterator[Cell]:
    """Yield who tries a door: who holds its right in every way, who holds all others, and who they are otherwise.

    Programs come with a token, so the API is tried with one; a session there is the same person with another key: who is
    nobody, who may do everything, and who holds the right here, elsewhere, through a group, on ``*`` or no more. The
    administration asks for staff first: all ways to be staff, and a few who are not.
    """
    if is_admin(door):
        yield from (Cell(person, SESSION) for person in [OTHERS[0], SUPERUSER, *_staff(door, row)])
    elif is_api(door):
        tried = [*_people(door, row), *STAFF[:1], *limited()]
        yield from (Cell(person, TOKEN) for person in tried if person.has_account)
        yield from (
            Cell(person, SESSION) for person in [OTHERS[0], SUPERUSER, *HOLDERS[row.access.right][:5]]
        )
        return
    else:
        yield from (Cell(person, SESSION) for person in [*_people(door, row), *STAFF[:1]])
    # A token opens the API alone.
    yield Cell(SUPERUSER, TOKEN)


def cells_due(door: Door, row: Row) -> list[Cell]:
    """Return those who try a door in this run.

    Always who has no account, who holds nothing, who holds the door's right here, who holds all others, and the superuser, so
    that each run knows for whom the door is; of the other ways to hold or not to hold it a third today.
    """
    right = row.access.right.value
    always = {OTHERS[0].name, OTHERS[1].name, SUPERUSER.name}
    always |= {f"{said}{right} here" for said in ("", "all but ", "staff with ", "staff with all but ")}
    first = zlib.crc32(str(door).encode())
    return [
        cell
        for number, cell in enumerate(cells(door, row))
        if cell.person.name in always or is_due(first + number, every=3)
    ]


def _people(door: Door, row: Row) -> list[Person]:
    """Return who tries a door of the pages or the API.

    Being named as an approver may open the doors of signing; at the others one shows that it does not. What is sent to a
    door that asks for no right shows nothing, so there are no ways to tell apart.
    """
    tried = [person for person in OTHERS if not person.named or row.access is access.SIGNS]
    if row.access is access.SEES:
        tried += [person for person in OTHERS if person.named and not person.here and not person.elsewhere]
    is_the_same = row.access.is_public or (row.access is access.SIGNED_IN and door.method != "GET")
    return tried if is_the_same else [*tried, *HOLDERS[row.access.right]]


def _staff(door: Door, row: Row) -> list[Person]:
    """Return who tries a door of the administration, beside superusers and who has no account.

    What depends on no environment, and shows nothing of any, is the same for all kinds of staff.
    """
    if row.done:
        plain_ones = [person for person in STAFF if person.permissions is not None or not person.sees_here]
        return [*plain_ones, *STAFF_WITH[row.access.right]]
    shows_nothing = door.method != "GET" or row.success == (302,)
    if row.access.is_local:
        return STAFF
    is_the_same = shows_nothing or row.access in (access.NEVER, access.SUPERUSERS)
    return STAFF[:4] if is_the_same else STAFF[:6]


def expected(door: Door, row: Row, cell: Cell) -> str:
    """Return what the contract says."""
    if cell.key == TOKEN and not is_api(door):
        return row.access.answer(Person("anonymous", has_account=False))
    return row.access.answer(cell.person)


def asked(found: World, door: Door, row: Row, *, exists: bool = True) -> Ask:
    """Return the request with which a door is tried.

    Args:
        found: What is behind it.
        door: The door.
        row: How it is tried.
        exists: False asks for something that is not there.
    """
    values = world.of_the_address(found, door.name, row.job, dict(row.uses))
    data = {name: _meant(value, found, row, exists=exists) for name, value in row.data.items()}
    if not exists and not any(
        isinstance(value, Here) and value.name in _PLACES for value in row.data.values()
    ):
        values |= world.of_nothing()
    values["key"] = door.action
    route = door.route.replace("^", "").removesuffix("$")
    address = "/" + _PARAMETER.sub(lambda match: quote(str(values[match[1] or match[2]])), route)
    return Ask(door.method, address + row.query, data, is_api(door))


def _meant(value: Any, found: World, row: Row, *, exists: bool) -> Any:
    if not isinstance(value, Here):
        return value
    job = found.jobs[row.job]
    code, environment, number = (
        (found.here.code, found.here.pk, job.pk) if exists else (NOWHERE, NOBODY, NOBODY)
    )
    if value.name in found.things:
        return found.things[value.name]
    meant = {
        "code": code,
        "environment": environment,
        "attempt": job.attempt,
        "status": job.status,
        "job": number,
        "ids": [number],
        "seen": f"{number}:{job.attempt}:{job.status}",
    }
    return value.text.format(meant[value.name]) if value.text != "{}" else meant[value.name]


def answer(found: World, ask: Ask, cell: Cell, action: str = "") -> Answer:
    """Let somebody ask, and take back what that did; with an action, look in the audit whether it was done."""
    keys = found.keys[cell.person.name]
    by_token = cell.key == TOKEN
    _client.cookies = (
        SimpleCookie()
        if by_token or not keys.session
        else SimpleCookie(keys.session.output(header="", sep=";"))
    )
    headers = {"Accept-Language": "en", **({"Authorization": f"Bearer {keys.token}"} if by_token else {})}
    queries: list[str] = []
    with transaction.atomic():
        with connection.execute_wrapper(_listener(queries)):
            response = _sent(ask, headers)
            content = response.getvalue() if isinstance(response, StreamingHttpResponse) else response.content
        newer = AuditRecord.objects.filter(pk__gt=found.newest_record)
        done = bool(action) and newer.filter(action=action).exists()
        touched = ask.method != "GET" and newer.exists()
        transaction.set_rollback(True)
    return Answer(response.status_code, dict(response.items()), content, done, touched, tuple(queries))


def _sent(ask: Ask, headers: dict[str, str]) -> Any:
    if ask.is_json and ask.method != "GET":
        body, kind = json.dumps(ask.data), "application/json"
        return _client.generic(ask.method, ask.address, body, content_type=kind, headers=headers)
    if ask.method == "GET":
        return _client.get(ask.address, ask.data, headers=headers)
    return _client.post(ask.address, ask.data, headers=headers)


def _listener(heard: list[str]) -> Callable[..., Any]:
    """Return what notes each question to the database in ``heard`` and lets it pass."""

    def listen(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        heard.append(sql)
        return execute(sql, params, many, context)

    return listen


def mistake(door: Door, row: Row, want: str, got: Answer, nothing: Answer | None) -> str:
    """Return what is wrong with an answer, empty when it is as the contract says.

    Args:
        door: Who was tried.
        row: What the contract says of it.
        want: The answer that it says.
        got: The answer.
        nothing: What the same person gets for what is not there.
    """
    if got.done != (bool(row.done) and want == access.OK):
        return f"{want}, and the audit says that it was {'' if got.done else 'not '}done"
    if want != access.OK and got.touched:
        return f"{want}, and the audit says that something was done"
    if want != access.OK and is_admin(door) and got.wrote:
        return f"{want}, and something was written"
    if want == access.OK:
        return "" if got.status in row.success else f"{want} {row.success}, not {got.status}"
    if want == access.SIGN_IN:
        return _not_signing_in(door, got)
    if want == access.ABSENT:
        return _not_absent(row, got, nothing)
    if want == access.UNKNOWN:
        told = got.status == 400 and b"There is no user:somebody" in got.body
        return "" if told else f"400 that knows no such user, not {got.status}"
    if want == access.BEYOND:
        told = got.status == 400 and b"You may not grant" in got.body
        return "" if told else f"400 that says what may not be granted, not {got.status}"
    _kind, _sign, right = want.partition(": ")
    if got.status != row.refused:
        return f"{row.refused}, not {got.status}"
    return "" if right.encode() in got.body else f"a refusal that names {right}"


def _not_signing_in(door: Door, got: Answer) -> str:
    if is_api(door):
        return "" if got.status == 401 else f"401, not {got.status}"
    address = got.headers.get("Location", "")
    page = "/admin/login/" if is_admin(door) and door.route != "admin/login/" else reverse("monitor:login")
    return "" if got.status == 302 and address.startswith(page) else f"sign-in, not {got.status} {address}"


def _not_absent(row: Row, got: Answer, nothing: Answer | None) -> str:
    assert nothing is not None
    if got.status != row.absent:
        return f"{row.absent} as for nothing, not {got.status}"
    for name, one, other in (
        ("status", got.status, nothing.status),
        ("headers", _headers(got), _headers(nothing)),
        ("body", got.body, nothing.body),
    ):
        if one != other:
            return f"what is hidden and what is not there differ in their {name}"
    return ""


def _headers(one: Answer) -> dict[str, str]:
    return {name: value for name, value in one.headers.items() if name not in _BORING}


def plain(one: Answer, asks: tuple[Ask, Ask], person: Person) -> Answer:
    """Return an answer without what it only repeats: of either question, and who asks."""
    body = _SECRET.sub(b"", one.body)
    numbers = {
        number for ask in asks for number in _NUMBER.findall(f"{ask.address} {ask.data.get('seen', '')}")
    } | {str(number) for ask in asks for number in ask.data.get("ids", ())}
    told = {username(person), HERE, NOWHERE, NOWHERE.lower(), str(NOBODY), *numbers}
    for repeated in sorted(told, key=len, reverse=True):
        body = body.replace(repeated.encode(), b"?")
    headers = {name: value.replace(str(NOBODY), "?") for name, value in one.headers.items()}
    return Answer(one.status, headers, body, one.done, one.touched, one.queries)


def leaks(cell: Cell, ask: Ask, got: Answer) -> list[str]:
    """Return the names in an answer that its reader may not know."""
    person = cell.person
    said = f"{ask.address} {ask.data}"
    hidden = []
    for code, sees in ((ELSEWHERE, person.sees_elsewhere), (HERE, person.sees_here or HERE in said)):
        if not sees:
            hidden.append(mark_of(code))
            # Django's permissions show names of users and groups.
            hidden += [] if person.permissions is None else [people_of(code)]
    if not person.sees_anything and person.permissions is not None:
        hidden.append("zzshared")
    text = got.body.decode(errors="replace") + str(got.headers)
    return [name for name in hidden if name in text and name not in said]


class Trial:
    """One door, tried by everybody."""

    def __init__(self, door: Door, row: Row, world: World) -> None:
        """Keep what is asked, and what is asked for that is not there."""
        self._door, self._row, self._world = door, row, world
        self._ask, self._other = asked(world, door, row), asked(world, door, row, exists=False)
        self._asks = (self._ask, self._other)
        self._nothing: dict[tuple[object, ...], Answer] = {}

    def problem(self, cell: Cell) -> str:
        """Return what is wrong in one cell, empty when nothing is."""
        want = expected(self._door, self._row, cell)
        got = answer(self._world, self._ask, cell, self._row.done)
        problems = [f"tells of {name}" for name in leaks(cell, self._ask, got)]
        nothing = self._not_there(cell) if want == access.ABSENT else None
        if nothing is not None:
            got = plain(got, self._asks, cell.person)
        if found := mistake(self._door, self._row, want, got, nothing):
            problems.append(f"expected {found}")
        return f"  {cell}: {'; '.join(problems)}" if problems else ""

    def questions(self, cell: Cell) -> tuple[list[str], list[str]]:
        """Return what the database is asked for what is there, and for what is not, without numbers."""
        in_vain, found = self._questions(self._other, cell), self._questions(self._ask, cell)
        # What is kept after a first question is read once.
        return found, in_vain if found == in_vain else self._questions(self._other, cell)

    def _questions(self, ask: Ask, cell: Cell) -> list[str]:
        return [_DIGITS.sub("#", query) for query in answer(self._world, ask, cell).queries]

    def _not_there(self, cell: Cell) -> Answer:
        """Return what people like this one get for what is not there."""
        person = cell.person
        kind = (
            cell.key,
            person.is_staff,
            person.permissions is None,
            # The bar on top says how much waits for them there.
            person.rights_elsewhere,
            person.sees_anything,
        )
        if kind not in self._nothing:
            found = answer(self._world, self._other, cell)
            self._nothing[kind] = plain(found, self._asks, cell.person)
        return self._nothing[kind]
