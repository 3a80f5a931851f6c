"""The doors of the administration: Django's permissions and our rights together (sections 5 and 9).

A thing that belongs to one environment needs its table's permission and ``view_monitor`` there; what counts for all
environments at once is changed by those who see all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.matrix.access import NEVER, PUBLIC, Access, staff
from tests.matrix.rows import ENVIRONMENT, Key, Row

SECTION: Final = "5, 9"
_YES: Final = {"post": "yes"}
_SPARE: Final = {"object_id": "spare"}
_INLINE: Final = {"-TOTAL_FORMS": "0", "-INITIAL_FORMS": "0"}


def _inline(prefix: str) -> dict[str, str]:
    """Return what an empty table of rows below a form sends."""
    return {f"{prefix}{name}": value for name, value in _INLINE.items()}


def _table(
    name: str,
    *,
    where: str = "",
    data: Mapping[str, Any] | None = None,
    changed: Mapping[str, Any] | None = None,
    success: int = 302,
) -> dict[Key, Row]:
    """Return the rows of the pages of one table.

    Args:
        name: ``jobs_project``.
        where: ``here`` when each row belongs to an environment; ``all`` when only those change any who see all of them,
            and the row that is there is used in both.
        data: Of a new row; without it an empty form is sent, which comes back with its mistakes.
        changed: Of a row that is there.
        success: Status when a row was kept.
    """
    app, _, model = name.rpartition("_")
    add, change, delete, view = (f"{app}.{verb}_{model}" for verb in ("add", "change", "delete", "view"))
    page = f"admin:{name}"
    everywhere = where if where == "all" else ""
    adds = staff(add, where=where) if data else staff(add, where=everywhere)
    shown = "both" if where == "all" else where
    rows: dict[Key, Row] = {
        **_reading(name, staff(view, change), staff(view, change, where=shown)),
        (f"{page}_changelist", "POST", ""): Row(staff(view, change), SECTION, (200, 302)),
        (f"{page}_add", "GET", ""): Row(staff(add, where=everywhere), SECTION),
        (f"{page}_add", "POST", ""): Row(
            adds, SECTION, (success if data else 200,), absent=200, data=data or {}
        ),
        (f"{page}_change", "POST", ""): Row(
            staff(change, where=where),
            SECTION,
            (success if changed else 200,),
            absent=302,
            data=changed or {},
        ),
        (f"{page}_delete", "GET", ""): Row(staff(delete, where=where), SECTION, absent=302, uses=_SPARE),
        (f"{page}_delete", "POST", ""): Row(
            staff(delete, where=where), SECTION, (302,), absent=302, data=_YES, uses=_SPARE
        ),
    }
    return rows


def _reading(name: str, lists: Access, shows: Access) -> dict[Key, Row]:
    app, _, model = name.rpartition("_")
    page = f"admin:{name}"
    return {
        (f"{page}_changelist", "GET", ""): Row(lists, SECTION),
        (f"{page}_change", "GET", ""): Row(shows, SECTION, absent=302),
        (f"{page}_history", "GET", ""): Row(shows, SECTION, absent=302),
        (f"admin/{app}/{model}/<path:object_id>/", "GET", ""): Row(staff(), SECTION, (302,)),
    }


def _read_only(name: str, lists: Access, shows: Access) -> dict[Key, Row]:
    """Return the rows of a table that changes by actions only, never by hand."""
    page = f"admin:{name}"
    return {
        **_reading(name, lists, shows),
        (f"{page}_changelist", "POST", ""): Row(lists, SECTION, (200, 302)),
        **{
            (f"{page}_{verb}", method, ""): Row(NEVER, SECTION)
            for verb in ("add", "delete")
            for method in ("GET", "POST")
        },
        (f"{page}_change", "POST", ""): Row(NEVER, SECTION),
    }


def _waits(name: str) -> dict[Key, Row]:
    app, _, model = name.rpartition("_")
    view = f"{app}.view_{model}"
    return _read_only(name, staff(view), staff(view, where="here"))


_SITE: Final[dict[Key, Row]] = {
    ("admin:index", "GET", ""): Row(staff(), "9"),
    ("admin:login", "GET", ""): Row(PUBLIC, "9", (200, 302)),
    ("admin:login", "POST", ""): Row(PUBLIC, "9", (200, 302)),
    # Whoever is no administrator is sent to the first page, which asks them to sign in; GET is refused to all others.
    ("admin:logout", "GET", ""): Row(PUBLIC, "9", (302, 405)),
    ("admin:logout", "POST", ""): Row(PUBLIC, "9", (200, 302)),
    ("admin:password_change", "GET", ""): Row(staff(), "9"),
    ("admin:password_change", "POST", ""): Row(staff(), "9"),
    ("admin:password_change_done", "GET", ""): Row(staff(), "9"),
    ("admin:autocomplete", "GET", ""): Row(
        staff("permissions.view_user", "permissions.change_user"),
        "9",
        query="?app_label=permissions&model_name=apitoken&field_name=user&term=",
    ),
    ("admin:jsi18n", "GET", ""): Row(staff(), "9"),
    ("admin:view_on_site", "GET", ""): Row(staff(), "9", (404,)),
    ("admin:app_list", "GET", ""): Row(staff(), "9"),
    ("admin/(?P<url>.*)$", "GET", ""): Row(staff(), "9", (404,)),
}

_RIGHTS: Final[dict[Key, Row]] = {
    ("admin:permissions_environment_rights", method, ""): Row(
        staff("permissions.change_environment", where="here"), SECTION, success
    )
    for method, success in (("GET", (200,)), ("POST", (302,)))
} | {
    ("admin:permissions_environment_rights_everywhere", method, ""): Row(
        staff("permissions.change_environment", where="all"), SECTION, success
    )
    for method, success in (("GET", (200,)), ("POST", (302,)))
}

_RULES: Final[dict[Key, Row]] = {
    **_table("rules_rule", data=None),
    ("admin:rules_rule_add", "POST", ""): Row(
        staff("rules.add_rule"),
        SECTION,
        (302,),
        data={"source": "name: new\nsteps:\n  RUN:\n    - log: there\n", "comment": ""},
    ),
    ("admin:rules_rule_change", "POST", ""): Row(
        staff("rules.change_rule"),
        SECTION,
        (302,),
        data={"source": "name: web-zzshared\nsteps:\n  RUN:\n    - log: new\n", "comment": "", "seen": "1"},
    ),
    **{
        (f"admin:rules_rule_{page}", method, ""): Row(
            staff("rules.view_rule", "rules.change_rule"), SECTION, query=query
        )
        for page, query in (("version", ""), ("diff", "?from=1&to=1"))
        for method in ("GET", "POST")
    },
}

_JOBS: Final[dict[Key, Row]] = {
    **_read_only("jobs_job", staff(), staff(where="here")),
    **_waits("jobs_approval"),
    **_waits("jobs_trap"),
    **_waits("jobs_auditrecord"),
    **_table(
        "jobs_project",
        data={"code": "new", "name": "New", "variables": "{}", **_inline("environments")},
        changed={"code": "shop-zzshared", "name": "New", "variables": "{}", **_inline("environments")},
    ),
    **_table(
        "jobs_nature",
        data={"code": "new", "name": "New", "include": '["*.x"]', "exclude": "[]"},
        changed={"code": "python-zzshared", "name": "New", "include": '["*.x"]', "exclude": "[]"},
    ),
    **_table(
        "jobs_secret",
        where="here",
        data={"name": "new", "environment": ENVIRONMENT, "project": "", "value": "long-enough-value"},
        changed={"value": "another-long-value"},
    ),
    **_table(
        "jobs_semaphore",
        where="all",
        data={"name": "new", "slots": "2", **_inline("requests")},
        changed={"slots": "2", **_inline("requests")},
    ),
}

_PEOPLE: Final[dict[Key, Row]] = {
    **_table("auth_group", data={"name": "new"}, changed={"name": "renamed"}),
    **_table("permissions_user"),
    **{
        ("admin:auth_user_password_change", method, ""): Row(staff("permissions.change_user"), SECTION)
        for method in ("GET", "POST")
    },
    **_table("permissions_environment", where="here"),
    **_RIGHTS,
    **_table("permissions_apitoken"),
    ("admin:permissions_apitoken_change", "POST", ""): Row(NEVER, SECTION),
}

_BEAT: Final[dict[Key, Row]] = {
    key: row
    for model in ("intervalschedule", "crontabschedule", "solarschedule", "clockedschedule", "periodictask")
    for key, row in _table(f"django_celery_beat_{model}").items()
}

ROWS: Final[Mapping[Key, Row]] = {**_SITE, **_RULES, **_JOBS, **_PEOPLE, **_BEAT}
