"""The doors of the administration: Django's permissions and our rights together (sections 5 and 9).

A thing that belongs to one environment needs its table's permission and ``view_monitor`` there; what counts for all
environments at once is changed by those who see all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tests.matrix.access import (
    NEVER,
    PUBLIC,
    SIGN_IN,
    STAFF_GOES_ON,
    SUPERUSERS,
    Access,
    Person,
    staff,
)
from tests.matrix.acts import ACTIONS, Act, on_page
from tests.matrix.rows import CHOSEN, CODE, ENVIRONMENT, JOB, WORKER, Here, Key, Row

SECTION: Final = "5, 9"
_YES: Final = {"post": "yes"}
_SOURCE: Final = "name: new\nsteps:\n  RUN:\n    - log: there\n"
_SPARE: Final = {"object_id": "spare"}
_INLINE: Final = {"-TOTAL_FORMS": "0", "-INITIAL_FORMS": "0"}


def _inline(prefix: str) -> dict[str, str]:
    """Return what an empty table of rows below a form sends."""
    return {f"{prefix}{name}": value for name, value in _INLINE.items()}


def _table(
    name: str,
    *,
    where: str = "",
    spare: str | None = None,
    adds: Access | None = None,
    makes: Access | None = None,
    data: Mapping[str, Any] | None = None,
    changed: Mapping[str, Any] | None = None,
    success: int = 302,
) -> dict[Key, Row]:
    """Return the rows of the pages of one table.

    Args:
        name: ``jobs_project``.
        where: ``here`` when each row belongs to an environment; ``all`` when only those change any who see all of
            them, and the row that is there is used in both.
        spare: The same of the row to delete, where that differs.
        adds: Whom the page lets in that makes a row, where that differs.
        makes: Who may make the row, where that differs.
        data: Of a new row; without it an empty form is sent, which comes back with its mistakes.
        changed: Of a row that is there.
        success: Status when a row was kept.
    """
    app, _, model = name.rpartition("_")
    add, change, delete, view = (f"{app}.{verb}_{model}" for verb in ("add", "change", "delete", "view"))
    page = f"admin:{name}"
    adds = adds or staff(add, where="all" if where == "all" else "")
    makes = makes or (staff(add, where=where) if data else adds)
    deletes = staff(delete, where=where if spare is None else spare)
    shown = "both" if where == "all" else where
    rows: dict[Key, Row] = {
        **_reading(name, staff(view, change), staff(view, change, where=shown)),
        (f"{page}_changelist", "POST", ""): Row(staff(view, change), SECTION, (200, 302)),
        (f"{page}_add", "GET", ""): Row(adds, SECTION),
        (f"{page}_add", "POST", ""): Row(
            makes, SECTION, (success if data else 200,), absent=200, data=data or {}
        ),
        (f"{page}_change", "POST", ""): Row(
            staff(change, where=where),
            SECTION,
            (success if changed else 200,),
            absent=302,
            data=changed or {},
        ),
        (f"{page}_delete", "GET", ""): Row(deletes, SECTION, absent=302, uses=_SPARE),
        (f"{page}_delete", "POST", ""): Row(deletes, SECTION, (302,), absent=302, data=_YES, uses=_SPARE),
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


def _superusers(name: str) -> dict[Key, Row]:
    """Return the rows of a table that superusers read and nobody else."""
    return _read_only(name, SUPERUSERS, SUPERUSERS)


def _waits(name: str) -> dict[Key, Row]:
    app, _, model = name.rpartition("_")
    view = f"{app}.view_{model}"
    return _read_only(name, staff(view), staff(view, where="here"))


_SITE: Final[dict[Key, Row]] = {
    ("admin:index", "GET", ""): Row(staff(), "9"),
    # The pages' own, under the addresses that Django's administration has for them.
    ("admin/login/", "GET", ""): Row(STAFF_GOES_ON, "9", (302,)),
    ("admin/login/", "POST", ""): Row(STAFF_GOES_ON, "9", (302,)),
    ("admin/logout/", "POST", ""): Row(PUBLIC, "9", (302,)),
    ("admin/password_change/", "GET", ""): Row(PUBLIC, "9", (302,)),
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

_SEEING_ENVIRONMENTS: Final = ("permissions.view_environment", "permissions.change_environment")
_SEEING_USERS: Final = ("permissions.view_user", "permissions.change_user")
_ADDED: Final = {"added": "user:somebody", "begins": "view_monitor"}
_TICKED: Final = {"shown": Here("code", "{}="), "granted": Here("code", "{}=view_monitor")}


def _grants(change: str, where: str, data: Mapping[str, Any]) -> Row:
    """Return the row of granting ``view_monitor``: who is no superuser hands out only what they hold there."""
    status = 404 if data is _ADDED else 400
    return Row(staff(change, where=where), SECTION, (302,), absent=status, data=data)


_RIGHTS: Final[dict[Key, Row]] = {
    ("admin:permissions_environment_rights", "GET", ""): Row(
        staff(*_SEEING_ENVIRONMENTS, where="here"), SECTION
    ),
    ("admin:permissions_environment_rights", "POST", ""): _grants(
        "permissions.change_environment", "grants to a user here", _ADDED
    ),
    ("admin:permissions_environment_rights_everywhere", "GET", ""): Row(
        staff(*_SEEING_ENVIRONMENTS), SECTION
    ),
    ("admin:permissions_environment_rights_everywhere", "POST", ""): _grants(
        "permissions.change_environment", "grants to a user everywhere", _ADDED
    ),
    ("admin:permissions_user_rights", "GET", ""): Row(staff(*_SEEING_USERS), SECTION),
    ("admin:permissions_user_rights", "POST", ""): _grants("permissions.change_user", "grants here", _TICKED),
    ("admin:auth_group_rights", "GET", ""): Row(staff("auth.view_group", "auth.change_group"), SECTION),
    ("admin:auth_group_rights", "POST", ""): _grants("auth.change_group", "grants here", _TICKED),
    **{
        (f"admin:permissions_user_{page}", "GET", ""): Row(staff(*_SEEING_USERS), SECTION)
        for page in ("who_can", "why_not", "overview")
    },
}

_WRITING_RULES: Final = ("rules.add_rule", "rules.change_rule")
_SEEING_RULES: Final = ("rules.view_rule", "rules.change_rule")
_TRIED: Final = {"environment": CODE, "type": "promote"}

_RULES: Final[dict[Key, Row]] = {
    **_table("rules_rule", data=None),
    ("admin:rules_rule_add", "POST", ""): Row(
        staff("rules.add_rule"),
        SECTION,
        (302,),
        data={"source": _SOURCE, "comment": ""},
    ),
    ("admin:rules_rule_change", "POST", ""): Row(
        staff("rules.change_rule"),
        SECTION,
        (302,),
        data={"source": "name: web-zzshared\nsteps:\n  RUN:\n    - log: new\n", "comment": "", "seen": "2"},
    ),
    ("admin:rules_rule_version", "GET", ""): Row(staff(*_SEEING_RULES), SECTION),
    ("admin:rules_rule_diff", "GET", ""): Row(staff(*_SEEING_RULES), SECTION, query="?from=1&to=2"),
    ("admin:rules_rule_check", "POST", ""): Row(staff(*_WRITING_RULES), SECTION, data={"source": _SOURCE}),
    ("admin:rules_rule_restore", "GET", ""): Row(staff("rules.change_rule"), SECTION),
    ("admin:rules_rule_restore", "POST", ""): Row(
        staff("rules.change_rule"), SECTION, (302,), data={"comment": "Again", "seen": "2"}
    ),
    ("admin:rules_rule_dry_run", "GET", ""): Row(staff(*_SEEING_RULES), SECTION),
    ("admin:rules_rule_dry_run", "POST", ""): Row(
        staff(*_SEEING_RULES, where="here"), SECTION, absent=422, data=_TRIED
    ),
    ("admin:rules_rule_dry_run_source", "POST", ""): Row(
        staff(*_WRITING_RULES, where="here"), SECTION, absent=422, data={"source": _SOURCE, **_TRIED}
    ),
}


def _bulk(act: Act, key: str) -> Row:
    """Return the row of an action that is chosen for jobs in their list: the page says job by job what was done."""
    data = {"comment": "Seen.", **on_page(act.data)} | {
        "action": f"job_{key}",
        "confirmed": "1",
        "seen": CHOSEN,
    }
    shown = {"_selected_action": JOB}
    return Row(
        _of_staff(act.access), SECTION, absent=200, refused=200, done=key, job=act.job, data={**data, **shown}
    )


def _of_staff(inner: Access) -> Access:
    def decide(person: Person) -> str:
        return inner.decide(person) if person.is_staff or person.is_superuser else SIGN_IN

    return replace(inner, words=f"staff + {inner.words}", decide=decide)


_BULK: Final[dict[Key, Row]] = {
    ("admin:jobs_job_changelist", "POST", key): _bulk(act, key) for key, act in ACTIONS.items()
}

_SEEING_NATURES: Final = ("jobs.view_nature", "jobs.change_nature")
_PATHS: Final = {"paths": "src/app.py"}
_SCHEDULE: Final = {
    "enabled": "on", "owner": Here("superuser"), "rule": Here("rules_rule"), "environment": ENVIRONMENT, "project": "",
    "type": "promote", "revisions": "", "comment": "", "variables": "", "delay": "", "cron": "0 4 * * 1", "interval": "",
    "time_zone": "UTC", "starts_at_0": "", "starts_at_1": "", "ends_at_0": "", "ends_at_1": "", "overlap": "skip",
    "catch_up": "latest",
}  # fmt: skip

_JOBS: Final[dict[Key, Row]] = {
    **{
        key: row
        for key, row in _read_only("jobs_job", staff(), staff(where="here")).items()
        if key != ("admin:jobs_job_changelist", "POST", "")
    },
    **_BULK,
    **_waits("jobs_approval"),
    **_waits("jobs_trap"),
    **_waits("jobs_auditrecord"),
    ("admin:jobs_auditrecord_export", "GET", ""): Row(staff("jobs.view_auditrecord"), SECTION),
    **_table(
        "jobs_project",
        data={"code": "new", "name": "New", "variables": "{}", **_inline("environments")},
        changed={"code": "shop-zzshared", "name": "New", "variables": "{}", **_inline("environments")},
    ),
    **_table(
        "jobs_nature",
        data={"code": "new", "name": "New", "include": "*.x", "exclude": ""},
        changed={"code": "python-zzshared", "name": "New", "include": "*.x", "exclude": ""},
    ),
    ("admin:jobs_nature_try", "GET", ""): Row(staff(*_SEEING_NATURES), SECTION),
    ("admin:jobs_nature_try", "POST", ""): Row(staff(*_SEEING_NATURES), SECTION, data=_PATHS),
    ("admin:jobs_nature_trial", "POST", ""): Row(staff(*_SEEING_NATURES), SECTION, data=_PATHS),
    **_table(
        "jobs_schedule",
        where="here",
        adds=staff("jobs.add_schedule", where="creates anywhere"),
        makes=staff("jobs.add_schedule", where="creates"),
        data={"name": "weekly", **_SCHEDULE},
    ),
    ("admin:jobs_schedule_change", "POST", ""): Row(
        staff("jobs.change_schedule", where="creates here"),
        SECTION,
        (302,),
        absent=302,
        data={"name": "yearly", **_SCHEDULE},
    ),
    **{
        ("admin:jobs_schedule_delete", method, ""): Row(
            staff("jobs.delete_schedule", where="creates here"), SECTION, success, absent=302, data=data
        )
        for method, success, data in (("GET", (200,), {}), ("POST", (302,), _YES))
    },
    **_read_only("jobs_workerseen", staff("jobs.view_workerseen"), staff("jobs.view_workerseen")),
    **{
        (f"admin:jobs_workerseen_{page}", method, ""): Row(
            staff(every=("jobs.view_workerseen", "jobs.drain_worker")),
            SECTION,
            success,
            query=query,
            data=data,
        )
        for page in ("drain", "resume")
        for method, success, query, data in (
            ("GET", (200,), f"?worker={WORKER}", {}),
            ("POST", (302,), "", {"worker": WORKER}),
        )
    },
    **_table(
        "jobs_secret",
        where="here",
        data={"name": "new", "environment": ENVIRONMENT, "project": "", "value": "long-enough-value"},
        changed={"value": "another-long-value"},
    ),
    **_table(
        "jobs_retentionpolicy",
        where="here",
        data={
            "removes": "log",
            "environment": ENVIRONMENT,
            "rule": "",
            "outcome": "any",
            "keep_days": "30",
            "keep_jobs": "",
        },
        changed={
            "removes": "job",
            "environment": ENVIRONMENT,
            "rule": "",
            "outcome": "any",
            "keep_days": "9",
            "keep_jobs": "",
        },
    ),
    ("admin:jobs_retentionpolicy_dry_run", "GET", ""): Row(
        staff("jobs.view_retentionpolicy", "jobs.change_retentionpolicy"), SECTION
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
    **_table(
        "permissions_user",
        # As Django says: who may add users and not change them makes none, whom they could give more than they hold.
        adds=staff(every=("permissions.add_user", "permissions.change_user")),
    ),
    **{
        ("admin:auth_user_password_change", method, ""): Row(staff("permissions.change_user"), SECTION)
        for method in ("GET", "POST")
    },
    **_table(
        "permissions_environment",
        where="here",
        spare="other",
        adds=staff("permissions.add_environment", where="all"),
    ),
    **_RIGHTS,
    **_table("permissions_apitoken", where="of another", makes=staff("permissions.add_apitoken")),
    ("admin:permissions_apitoken_change", "POST", ""): Row(NEVER, SECTION),
}

_SUPERUSERS: Final[dict[Key, Row]] = {
    key: row
    for name in (
        "axes_accessattempt",
        "axes_accesslog",
        "axes_accessfailurelog",
        "django_celery_beat_periodictask",
        "permissions_externalidentity",
    )
    for key, row in _superusers(name).items()
} | {
    (f"admin:permissions_externalidentity_{page}", method, ""): Row(
        SUPERUSERS, SECTION, success, data=_YES if success == (302,) else {}
    )
    for page, method, success in (
        ("add", "GET", (200,)),
        ("add", "POST", (200,)),
        ("delete", "GET", (200,)),
        ("delete", "POST", (302,)),
    )
}

_SUBSCRIPTION: Final = {"addresses": "new@example.org", "webhook_url": "", "enabled": "on"}
_SUBSCRIPTIONS: Final[dict[Key, Row]] = {
    **_reading("jobs_subscription", SUPERUSERS, SUPERUSERS),
    **{
        (f"admin:jobs_subscription_{page}", method, ""): Row(
            SUPERUSERS, SECTION, success, absent=absent, data=data
        )
        for page, method, success, absent, data in (
            ("changelist", "POST", (200, 302), 404, {}),
            ("add", "GET", (200,), 404, {}),
            ("add", "POST", (302,), 404, {"name": "new", **_SUBSCRIPTION}),
            ("change", "POST", (302,), 302, _SUBSCRIPTION),
            ("delete", "GET", (200,), 302, {}),
            ("delete", "POST", (302,), 302, _YES),
            ("test", "POST", (302,), 404, {}),
            ("secret", "POST", (200,), 404, {}),
            ("resend", "POST", (302,), 404, {}),
        )
    },
}

ROWS: Final[Mapping[Key, Row]] = {**_SITE, **_RULES, **_JOBS, **_PEOPLE, **_SUPERUSERS, **_SUBSCRIPTIONS}

_MORE: Final = {"object_id": "user who holds more"}
_GIVES_MORE: Final = {"object_id": "group that gives more"}
_SUPERUSER: Final = {"object_id": "superuser"}

BEYOND_REACH: Final[Mapping[Key, Row]] = {
    ("admin:permissions_user_change", "POST", "holds more"): Row(
        staff("permissions.change_user", where="holds more"), SECTION, uses=_MORE
    ),
    ("admin:auth_user_password_change", "POST", "holds more"): Row(
        staff("permissions.change_user", where="holds more"), SECTION, uses=_MORE
    ),
    ("admin:permissions_user_delete", "POST", "holds more"): Row(
        staff("permissions.delete_user", where="holds more"), SECTION, (302,), data=_YES, uses=_MORE
    ),
    ("admin:permissions_user_change", "POST", "superuser"): Row(
        staff("permissions.change_user", where="superuser"), SECTION, uses=_SUPERUSER
    ),
    ("admin:auth_user_password_change", "POST", "superuser"): Row(
        staff("permissions.change_user", where="superuser"), SECTION, uses=_SUPERUSER
    ),
    ("admin:permissions_user_rights", "POST", "superuser"): Row(
        staff("permissions.change_user", where="grants to a superuser"),
        SECTION,
        (302,),
        absent=400,
        data=_TICKED,
        uses=_SUPERUSER,
    ),
    ("admin:auth_group_change", "POST", "holds more"): Row(
        staff("auth.change_group", where="holds more"),
        SECTION,
        (302,),
        data={"name": "renamed"},
        uses=_GIVES_MORE,
    ),
    ("admin:auth_group_delete", "POST", "holds more"): Row(
        staff("auth.delete_group", where="holds more"), SECTION, (302,), data=_YES, uses=_GIVES_MORE
    ),
}
"""Doors once more, with an account or a group behind them that holds more than many who may change the table. What follows the
method is a word for it."""
