"""The matrix as a page for administrators, ``docs/rights.md``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from permissions.catalog import Right
from tests.matrix import access
from tests.matrix.access import Person
from tests.matrix.acts import ACTIONS
from tests.matrix.asking import is_admin, is_api
from tests.matrix.doors import Door, doors
from tests.matrix.expectations import ROWS
from tests.matrix.people import HOLDERS, LIMITED, OTHERS, STAFF
from tests.matrix.rows import Row

PATH: Final = Path(__file__).parents[2] / "docs" / "rights.md"
_INTRODUCTION: Final = """\
# Who may come through which door

Written by `python -m tests.matrix --write`, which first tries every line with real requests; never edited. The answers
come from the contract, not from the code, and a new address or action without a line fails the tests.

Each line is an address with its methods, *who* says in words whom it is for, and the columns say what some people get:
**✓** is let in (lists hold the rows of environments that one sees), **sign in** is the page to sign in, **401** the
same in the API, **403** a refusal that names the missing right, **404** the answer for what does not exist.

- **Rights** are granted to users and groups, on one environment or on all of them (`*`). A grant on `*` covers
  environments that are made later, too. What a group holds, its members hold.
- The other five rights, and being named as an approver, count **only together with `view_monitor`** in the same environment.
  The columns of rights below stand for somebody who holds that right and `view_monitor`.
- What lies in an environment that one may not see **does not exist**: 404, an unknown environment when it is named in a
  body (400), and in the administration the way back to the first page; never a refusal that would tell that it is there.
- **Inactive** users hold nothing: their sessions and tokens are those of nobody. Superusers hold everything.
- A token is its user, at the addresses of the API alone. One that is limited may what its limits and its user's rights
  both allow, administers nothing, and does not sign for somebody who is only named; the column of limited tokens stands for
  a user who holds all rights.
- Administrators who are no superusers hand out only what they themselves hold there (400 otherwise), grant nothing to and
  take nothing from themselves, superusers, groups that they are in and groups that a superuser is in, and change no account
  and no group that holds more than they do.
"""
_RIGHTS: Final = {right.value: ways[0] for right, ways in HOLDERS.items()}
_PEOPLE: Final = {person.name: person for person in [*OTHERS, *STAFF]}
_COLUMNS: Final[dict[str, Person]] = {
    "anonymous": _PEOPLE["anonymous"],
    "no rights": _PEOPLE["no rights"],
    **{f"`{name}`": person for name, person in _RIGHTS.items()},
    "named approver": _PEOPLE["named approver"],
    "superuser": _PEOPLE["superuser"],
}
_STAFF_COLUMNS: Final[dict[str, Person]] = {
    "anonymous": _PEOPLE["anonymous"],
    "no staff": _PEOPLE["all rights here"],
    "staff": _PEOPLE["staff"],
    "staff, all rights": _PEOPLE["staff with all rights here"],
    "staff, Django's permission": _PEOPLE["staff with Django's permissions"],
    "… and `view_monitor`": _PEOPLE["staff with Django's permissions, sees here"],
    "… and all rights there": _PEOPLE["staff with Django's permissions and all rights here"],
    "… and `view_monitor` on `*`": _PEOPLE["staff with Django's permissions, sees *"],
    "superuser": _PEOPLE["superuser"],
}


def render() -> str:
    """Return the page."""
    found = doors()
    api, admin = list(filter(is_api, found)), list(filter(is_admin, found))
    pages = [door for door in found if door not in {*api, *admin}]
    sections = (
        ("Pages", "", pages, _COLUMNS),
        (
            "REST API",
            "An action on several jobs (`jobs/bulk/`) says of each whether it was done, refused, or is none that is there (404).",
            api,
            {**_COLUMNS, "token limited to `view_monitor`": LIMITED[0]},
        ),
        (
            "Administration",
            "Django's permission is the one that the line names; what belongs to one environment needs `view_monitor` there"
            " as well. The list of jobs takes an action on several jobs and says of each whether it was done, refused, or is no"
            " job that is there (404). Tables that change by actions only are for reading.",
            admin,
            _STAFF_COLUMNS,
        ),
    )
    parts = [_INTRODUCTION, _by_right()]
    for heading, note, kind, columns in sections:
        parts.append(
            "\n".join([f"## {heading}", "", *([note, ""] if note else []), *_table(kind, columns), ""])
        )
    return "\n".join(parts)


def _by_right() -> str:
    """Return what each right is for, in the shortest form."""
    lines = ["## What each right allows", "", "In the environments where it is granted:", ""]
    lines += ["| right | what one may do |", "| --- | --- |"]
    for right in Right:
        found = [key.replace("_", " ") for key, act in ACTIONS.items() if act.access.right is right]
        if right is Right.VIEW_MONITOR:
            found = ["see jobs, logs, results and the audit of jobs", *found]
        if right is Right.APPROVE_ALL:
            found = [f"{name} (named approvers may without it)" for name in found]
        if right is Right.CREATE:
            found = ["create jobs", "make, change and delete schedules (with Django's permission)"]
        lines.append(f"| `{right.value}` | {', '.join(found)} |")
    return "\n".join([*lines, ""])


def _table(found: list[Door], columns: dict[str, Person]) -> Iterator[str]:
    yield f"| address | method | who | {' | '.join(columns)} |"
    yield "| --- | --- | --- |" + " --- |" * len(columns)
    lines: dict[tuple[str, ...], list[str]] = {}
    for door in found:
        if door.name.endswith("/<path:object_id>/"):
            continue  # leads to the page of the same row
        row = ROWS[door.name, door.method, door.action]
        cells = [_cell(door, row, person) for person in columns.values()]
        method = lines.setdefault((_address(door), row.access.words, *cells), [])
        if door.method not in method:
            method.append(door.method)
    for (address, who, *cells), methods in lines.items():
        yield f"| {address} | {', '.join(methods)} | {who} | {' | '.join(cells)} |"


def _address(door: Door) -> str:
    route = door.route.replace("^", "").removesuffix("$")
    route = re.sub(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)", lambda match: f"<{match[1] or match[2]}>", route)
    shown = door.action and "<key>" not in route and not route.rstrip("/").endswith(door.action)
    action = f" ({door.action})" if shown and door.method != "DELETE" else ""
    return f"`/{route.replace('<key>', door.action)}`{action}"


def _cell(door: Door, row: Row, person: Person) -> str:
    answer = row.access.answer(person)
    if answer == access.OK:
        return "✓"
    if answer == access.SIGN_IN:
        return "401" if is_api(door) else "sign in"
    if answer == access.ABSENT:
        return "400" if row.absent == 400 else "404"
    if answer == access.BEYOND:
        return "400"
    return "refused" if row.done else "403"
