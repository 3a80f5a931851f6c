"""Who may come through which door, written by hand from the contract (PRODUCT.md), never from the code.

To add a door: find the sentence of the contract that says whom it is for, and write a row with that access and the
section. An address that leads to actions takes its rows from ``acts.ACTIONS``, so a new action is one line there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from permissions.catalog import Right
from tests.matrix.access import (
    ADMINISTERS,
    ADMINISTERS_OR_STAFF,
    CREATES_SOMEWHERE,
    GRANT_OF_ANOTHER,
    LISTS,
    LISTS_PEOPLE,
    LOOKS_AT_OTHERS,
    NOT_LIMITED,
    OWN,
    OWN_TOKEN,
    PUBLIC,
    SEES,
    SEES_ANYTHING,
    SIGNED_IN,
    needs,
)
from tests.matrix.acts import ACTIONS, on_page
from tests.matrix.doors import ACTIONS_IN_BULK
from tests.matrix.expectations_admin import ROWS as ADMIN
from tests.matrix.rows import CHOSEN, CODE, NUMBERS, SEEN, Key, Row

TRAP_ANSWERS: Final = ("retry", "skip", "abort", "pause", "resume")
_SOURCE: Final = "name: {name}\nsteps:\n  RUN:\n    - log: there\n"


def _action_rows() -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for key, act in ACTIONS.items():
        row = Row(act.access, "5", (act.success,), job=act.job, data=act.data)
        if key in TRAP_ANSWERS:
            found["api:job-trap", "POST", key] = replace(row, data={**act.data, "action": key})
        elif key == "delete":
            found["api:job", "DELETE", key] = row
        else:
            found[f"api:job-{key}", "POST", key] = row
        if key in ACTIONS_IN_BULK:
            # The answer says of each job whether it was done, refused, or is no job that is there.
            sent = {**act.data, "action": key, "ids": NUMBERS}
            found["api:jobs-bulk", "POST", key] = Row(
                act.access, "5, 10", absent=200, refused=200, done=key, job=act.job, data=sent
            )
            found["monitor:bulk", "POST", key] = Row(
                act.access, "5, 9", absent=200, refused=200, done=key, job=act.job,
                data={**on_page(act.data), "action": key, "seen": CHOSEN},
            )  # fmt: skip
        page = replace(row, section="5, 9", data={**on_page(act.data), **SEEN})
        found["monitor:action", "GET", key] = replace(page, success=(200,), data={})
        found["monitor:action", "POST", key] = replace(page, success=(302,))
    return found


API: Final[dict[Key, Row]] = {
    ("api:jobs", "GET", ""): Row(LISTS, "10"),
    ("api:jobs", "POST", ""): Row(
        needs(Right.CREATE), "5, 10", (201,), absent=400, data={"rule": "web-zzshared", "environment": CODE}
    ),
    ("api:jobs-summary", "GET", ""): Row(LISTS, "10"),
    ("api:job", "GET", ""): Row(SEES, "5, 10"),
    ("api:job-log", "GET", ""): Row(SEES, "5, 10"),
    ("api:job-log-download", "GET", ""): Row(SEES, "5, 10"),
    ("api:job-wait", "GET", ""): Row(SEES, "5, 10", query="?timeout=0"),
    ("api:job-operations", "GET", ""): Row(SEES, "5, 10"),
    ("api:job-audit", "GET", ""): Row(SEES, "5, 10"),
    ("api:job-contents", "GET", ""): Row(SEES, "5, 8"),
    ("api:stream", "GET", ""): Row(LISTS, "5, 10"),
    ("api:environments", "GET", ""): Row(LISTS, "10"),
    ("api:environments", "POST", ""): Row(ADMINISTERS, "10", (201,), data={"code": "NEW"}),
    ("api:environment", "GET", ""): Row(SEES, "5, 10"),
    ("api:environment", "PATCH", ""): Row(ADMINISTERS, "10", data={"name": "Renamed"}),
    ("api:environment", "DELETE", ""): Row(ADMINISTERS, "10", (204,), uses={"code": "SPARE"}),
    ("api:projects", "GET", ""): Row(LISTS, "10"),
    ("api:projects", "POST", ""): Row(ADMINISTERS, "10", (201,), data={"code": "new"}),
    ("api:project", "GET", ""): Row(SEES_ANYTHING, "10"),
    ("api:project", "PATCH", ""): Row(ADMINISTERS, "10", data={"name": "Renamed"}),
    ("api:project", "DELETE", ""): Row(ADMINISTERS, "10", (204,), uses={"code": "spare"}),
    ("api:natures", "GET", ""): Row(LISTS, "10"),
    ("api:natures", "POST", ""): Row(ADMINISTERS, "10", (201,), data={"code": "new", "include": ["*.x"]}),
    ("api:nature", "GET", ""): Row(SEES_ANYTHING, "10"),
    ("api:nature", "PATCH", ""): Row(ADMINISTERS, "10", data={"name": "Renamed"}),
    ("api:nature", "DELETE", ""): Row(ADMINISTERS, "10", (204,)),
    ("api:rules", "GET", ""): Row(LISTS, "10"),
    ("api:rules", "POST", ""): Row(ADMINISTERS, "10", (201,), data={"source": _SOURCE.format(name="new")}),
    ("api:rules-validate", "POST", ""): Row(SIGNED_IN, "10", data={"source": _SOURCE.format(name="new")}),
    ("api:rule", "GET", ""): Row(SEES_ANYTHING, "10"),
    ("api:rule-versions", "GET", ""): Row(SEES_ANYTHING, "10"),
    ("api:rule-versions", "POST", ""): Row(
        ADMINISTERS, "10", (201,), data={"source": _SOURCE.format(name="web-zzshared"), "comment": ""}
    ),
    ("api:grants", "GET", ""): Row(LISTS_PEOPLE, "10"),
    ("api:grants", "POST", ""): Row(
        ADMINISTERS_OR_STAFF,
        "5, 10",
        (201,),
        data={"principal": "user:spare", "environment": CODE, "rights": ["view_monitor"]},
    ),
    ("api:grant", "GET", ""): Row(GRANT_OF_ANOTHER, "5, 10"),
    ("api:grant", "PATCH", ""): Row(ADMINISTERS_OR_STAFF, "5, 10", data={"rights": ["view_monitor"]}),
    ("api:grant", "DELETE", ""): Row(ADMINISTERS_OR_STAFF, "5, 10", (204,)),
    ("api:users", "GET", ""): Row(LISTS_PEOPLE, "10"),
    ("api:users", "POST", ""): Row(ADMINISTERS, "10", (201,), data={"username": "new"}),
    ("api:user", "GET", ""): Row(LOOKS_AT_OTHERS, "10"),
    ("api:user", "PATCH", ""): Row(ADMINISTERS, "10", data={"first_name": "Renamed"}),
    ("api:user", "DELETE", ""): Row(ADMINISTERS, "10", (204,), uses={"username": "spare"}),
    ("api:groups", "GET", ""): Row(LISTS_PEOPLE, "10"),
    ("api:groups", "POST", ""): Row(ADMINISTERS, "10", (201,), data={"name": "new"}),
    ("api:group", "GET", ""): Row(LOOKS_AT_OTHERS, "10"),
    ("api:group", "PATCH", ""): Row(ADMINISTERS, "10", data={"members": []}),
    ("api:group", "DELETE", ""): Row(ADMINISTERS, "10", (204,)),
    ("api:tokens", "GET", ""): Row(NOT_LIMITED, "10"),
    ("api:tokens", "POST", ""): Row(NOT_LIMITED, "10", (201,), data={"name": "new"}),
    ("api:token", "GET", ""): Row(OWN_TOKEN, "10"),
    ("api:token", "DELETE", ""): Row(OWN_TOKEN, "10", (204,)),
    ("api:schedules", "GET", ""): Row(LISTS, "10"),
    ("api:schedules", "POST", ""): Row(
        ADMINISTERS_OR_STAFF,
        "5, 10",
        (201,),
        data={"name": "new", "rule": "web-zzshared", "environment": CODE, "cron": "@daily"},
    ),
    ("api:schedule", "GET", ""): Row(SEES, "5, 10"),
    ("api:schedule", "PATCH", ""): Row(ADMINISTERS_OR_STAFF, "5, 10", data={"enabled": False}),
    ("api:schedule", "DELETE", ""): Row(ADMINISTERS_OR_STAFF, "5, 10", (204,)),
    ("api:schedule-run_now", "POST", ""): Row(ADMINISTERS_OR_STAFF, "5, 10", (202,)),
    ("api:deployments", "GET", ""): Row(LISTS, "8, 10"),
    ("api:drift", "GET", ""): Row(
        SEES, "5, 8, 10", data={"project": "shop-zzshared", "from": CODE, "to": CODE}
    ),
    ("api:apply", "POST", ""): Row(
        ADMINISTERS, "10, 11", data={"documents": [{"text": "environments: [{code: NEW}]"}], "dry_run": True}
    ),
    ("api:subscriptions", "GET", ""): Row(ADMINISTERS, "10"),
    ("api:subscriptions", "POST", ""): Row(
        ADMINISTERS, "10", (201,), data={"name": "new", "addresses": ["new@example.org"]}
    ),
    ("api:subscription", "GET", ""): Row(ADMINISTERS, "10"),
    ("api:subscription", "PATCH", ""): Row(ADMINISTERS, "10", data={"enabled": False}),
    ("api:subscription", "DELETE", ""): Row(ADMINISTERS, "10", (204,)),
    ("api:subscription-rotate-secret", "POST", ""): Row(ADMINISTERS, "9, 10", data={}),
    ("api:subscription-test", "POST", ""): Row(ADMINISTERS, "9, 10", data={}),
    ("api:subscription-deliveries", "GET", ""): Row(ADMINISTERS, "9, 10"),
    ("api:subscription-resend", "POST", ""): Row(ADMINISTERS, "9, 10", data={}),
    ("api:me", "GET", ""): Row(SIGNED_IN, "10"),
    ("api:schema", "GET", ""): Row(PUBLIC, "10"),
    ("api:docs", "GET", ""): Row(PUBLIC, "10"),
    ("api:nothing", "GET", ""): Row(PUBLIC, "10", (404,)),
}

PAGES: Final[dict[Key, Row]] = {
    ("healthz", "GET", ""): Row(PUBLIC, "10"),
    ("readyz", "GET", ""): Row(PUBLIC, "10", (200, 503)),
    ("metrics", "GET", ""): Row(ADMINISTERS, "10"),
    ("monitor:favicon", "GET", ""): Row(PUBLIC, "9", (302,)),
    ("monitor:favicon", "POST", ""): Row(PUBLIC, "9", (302,)),
    ("monitor:login", "GET", ""): Row(PUBLIC, "9", (200, 302)),
    ("monitor:login", "POST", ""): Row(PUBLIC, "9", (200, 302)),
    ("monitor:logout", "POST", ""): Row(PUBLIC, "9", (302,)),
    ("monitor:list", "GET", ""): Row(LISTS, "9"),
    ("monitor:deployments", "GET", ""): Row(LISTS, "8, 9"),
    # Without saying between what: which places it shows is tested with the page.
    ("monitor:drift", "GET", ""): Row(SIGNED_IN, "8, 9", (302,)),
    ("monitor:estimates", "GET", ""): Row(LISTS, "7, 9"),
    ("monitor:inbox", "GET", ""): Row(SIGNED_IN, "9"),
    ("monitor:waiting", "GET", ""): Row(SIGNED_IN, "9"),
    ("monitor:complete", "GET", ""): Row(LISTS, "9", query="?text=environment:"),
    # A view gives no right: in it, too, everybody sees rows of their own environments.
    ("monitor:views", "GET", ""): Row(SIGNED_IN, "9"),
    ("monitor:view-new", "GET", ""): Row(SIGNED_IN, "9", query="?status=error"),
    ("monitor:view-new", "POST", ""): Row(
        SIGNED_IN, "9", (302,), data={"name": "new", "query": "status=error"}
    ),
    ("monitor:view", "GET", ""): Row(OWN, "9"),
    ("monitor:view", "POST", ""): Row(OWN, "9", (302,), data={"name": "renamed"}),
    ("monitor:account", "GET", ""): Row(SIGNED_IN, "9"),
    ("monitor:account", "POST", ""): Row(
        SIGNED_IN, "9", (302,), data={"language": "en", "time_zone": "UTC", "theme": "dark"}
    ),
    ("monitor:oidc", "GET", ""): Row(PUBLIC, "9", (302,)),
    ("monitor:oidc_callback", "GET", ""): Row(PUBLIC, "9", (302,)),
    ("monitor:forgotten", "GET", ""): Row(PUBLIC, "9"),
    ("monitor:forgotten", "POST", ""): Row(PUBLIC, "9", data={"email": "nobody@example.org"}),
    # Only a letter has an address that works.
    ("monitor:new_password", "GET", ""): Row(PUBLIC, "9"),
    ("monitor:new_password", "POST", ""): Row(PUBLIC, "9"),
    ("monitor:password", "GET", ""): Row(SIGNED_IN, "9"),
    # Hashing takes long on purpose, so nobody gets further than the form.
    ("monitor:password", "POST", ""): Row(SIGNED_IN, "9", (400,), data={"new_password1": "short"}),
    ("monitor:end_sessions", "POST", ""): Row(SIGNED_IN, "9", (302,)),
    ("monitor:token-make", "GET", ""): Row(SIGNED_IN, "9", (302,)),
    ("monitor:token-make", "POST", ""): Row(SIGNED_IN, "9", data={"name": "new"}),
    ("monitor:token-revoke", "GET", ""): Row(OWN, "9"),
    ("monitor:token-revoke", "POST", ""): Row(OWN, "9", (302,)),
    ("monitor:create", "GET", ""): Row(SIGNED_IN, "9"),
    ("monitor:create", "POST", ""): Row(
        needs(Right.CREATE),
        "5, 9",
        (302,),
        absent=400,
        data={"rule": "web-zzshared", "environment": CODE, "type": "promote"},
    ),
    ("monitor:revisions", "GET", ""): Row(CREATES_SOMEWHERE, "5, 8, 9", query="?project=shop-zzshared"),
    ("monitor:job", "GET", ""): Row(SEES, "5, 9"),
    ("monitor:menu", "GET", ""): Row(SEES, "5, 9", (302,)),
    # It says nothing of the job before it is asked what is to be done.
    ("monitor:bulk", "GET", ""): Row(SIGNED_IN, "9", query="?job=1"),
    ("monitor:log", "GET", ""): Row(SEES, "5, 9"),
    ("monitor:download", "GET", ""): Row(SEES, "5, 9"),
    ("monitor:compare", "GET", ""): Row(SEES, "5, 9"),
    ("monitor:audit", "GET", ""): Row(SEES, "5, 9"),
}

ROWS: Final[Mapping[Key, Row]] = {**PAGES, **API, **_action_rows(), **ADMIN}

PENDING: Final[Mapping[str, str]] = {}
"""Beginnings of names of doors whose answers are known to differ, and why; an entry goes when the door is right."""
