"""Which pages are audited: every address that answers HTML, as the URL configuration has them, and how they look otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from playwright.sync_api import Page

from tests.matrix import asking
from tests.matrix.access import NEVER
from tests.matrix.doors import Door, doors
from tests.matrix.expectations import ROWS
from tests.matrix.rows import Row
from tests.matrix.world import World

Act = Callable[[Page], None]

NO_PAGES: Final[Mapping[str, str]] = {
    "healthz": "a word for programs",
    "readyz": "JSON",
    "metrics": "for Prometheus",
    "admin:jsi18n": "a script",
    "admin:autocomplete": "JSON",
    "admin:jobs_auditrecord_export": "CSV",
    "admin/login/": "leads to the pages' own",
    "admin/password_change/": "leads to the pages' own",
    "monitor:favicon": "leads to a picture",
    "monitor:oidc": "leads to a provider",
    "monitor:oidc_callback": "leads on; what is refused is said on the page of signing in",
    "monitor:complete": "JSON",
    "monitor:download": "text",
    "monitor:revisions": "a part of the page of a new job, which is looked at with it",
    "monitor:menu": "a part of the list, which is looked at with it",
    "monitor:waiting": "the number on the bar of every page",
    "monitor:token-make": "leads to the account",
}
"""Addresses that answer no page, and what they answer."""

SIGNED_OUT: Final = ("monitor:login", "monitor:forgotten", "monitor:new_password")
"""Pages for those who have not signed in."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One page to look at.

    Attributes:
        address: With its parameters; numbers stand as ``{trapped}``.
        status: Which the first answer has.
        act: What is done there before it is looked at.
        signed_in: Whether somebody is.
        every: It is looked at each so many days, and each day at night.
        narrow: Whether it is audited at the width of a phone, too.
    """

    address: str
    status: int = 200
    act: Act | None = None
    signed_in: bool = True
    every: int = 1
    narrow: bool = False


def pages(world: World, instead: Mapping[str, str]) -> Iterator[Shown]:
    """Yield every address that is a page, by what the matrix of rights says of it: a new page is audited without a word.

    Args:
        world: What is behind the addresses.
        instead: Other addresses by name: where the one of the matrix is somebody else's, or nothing is asked yet.
    """
    for door in doors():
        if door.method != "GET" or (door.route.startswith("api/") and door.name != "api:docs"):
            continue
        row = ROWS[door.name, door.method, door.action]
        if door.name in NO_PAGES or _leads_on(door) or row.access is NEVER:
            continue
        address = instead.get(door.name) or asking.asked(world, door, row).address
        status = 200 if door.name in instead or door.name in SIGNED_OUT else _status(row)
        yield Shown(
            address, status, signed_in=door.name not in SIGNED_OUT, every=8 if _is_plain(door) else 4, act=ACTS.get(door.name)
        )  # fmt: skip


def _leads_on(door: Door) -> bool:
    """Return whether it is the old address of a row of the administration."""
    return door.name.startswith("admin/") and door.route.endswith("<path:object_id>/")


def _status(row: Row) -> int:
    return row.success[0]


def _is_plain(door: Door) -> bool:
    """Return whether it is one of the pages that Django makes for each table of the administration in the same way."""
    return door.name.startswith("admin:") and door.name.endswith(
        ("_changelist", "_add", "_change", "_delete", "_history")
    )


# Much of the page is the same again and again; of each kind some is left.
_CUT: Final = """
for (const element of document.querySelectorAll(".api-nav li:nth-of-type(n+4), .api-group:nth-of-type(n+3)")) element.remove();
"""
# What is only there while something happens.
_NEWS: Final = """
document.querySelector("[data-offline]").hidden = false;
const news = document.querySelector("[data-news]"), pill = news.querySelector("button"), row = document.querySelector("tr.job");
pill.textContent = news.dataset.newOne;
pill.hidden = false;
if (row) {
  row.title = news.dataset.gone;
  row.classList.add("is-gone");
}
for (const menu of document.querySelectorAll("details:not([data-row-menu])")) menu.open = true;
"""


def _unfold(page: Page) -> None:
    """Unfold all that can be, and the menu of one row as it comes from the server."""
    page.locator("[data-row-menu] summary").first.click()
    page.locator("[data-row-menu] .menu-action").first.wait_for()
    page.evaluate(_NEWS)


ACTS: Final[Mapping[str, Act]] = {
    "monitor:list": _unfold,
    "api:docs": lambda page: page.evaluate(_CUT),
}


_FORM: Final = "main form[method=post], #content-main form[method=post]"
_TOKENS: Final = "form[action$='/account/tokens/']"
_SEND: Final = """form => {
    form.noValidate = true;
    form.requestSubmit(form.querySelector("[name=do], [name=_save], [type=submit]"));
}"""


def _sent(form: str = _FORM, **fields: str) -> Act:
    """Return what fills a form in and sends it, whatever the browser thinks of that."""

    def act(page: Page) -> None:
        found = page.locator(form).first
        for name, value in fields.items():
            found.locator(f"[name={name}]").first.fill(value)
        with page.expect_navigation(wait_until="domcontentloaded"):
            found.evaluate(_SEND)

    return act


def _opened(selector: str) -> Act:
    return lambda page: page.locator(selector).first.click()


_STATES: Final = (
    # The list: filtered, empty, misunderstood, with its panels, grouped and folded.
    Shown("/?q=none", narrow=True), Shown("/?status=running&environment=PROD"), Shown("/?search=statsu:error", 400),
    Shown("/?panel=filters"), Shown("/?panel=columns"), Shown("/?group=environment"), Shown("/?group=status"),
    Shown("/?group=project&fold=none"), Shown("/?group=environment&fold=PROD", narrow=True),
    # A job of each kind.
    Shown("/jobs/{trapped}/", narrow=True), Shown("/jobs/{approval}/"), Shown("/jobs/{running}/"), Shown("/jobs/{finished}/"),
    Shown("/jobs/{error}/"), Shown("/jobs/{abend}/"), Shown("/jobs/{expired}/"), Shown("/jobs/0/", 404),
    # Its log: searched, filtered, folded, with a line marked.
    Shown("/jobs/{running}/log/", narrow=True), Shown("/jobs/{running}/log/?level=error&level=warning"),
    Shown("/jobs/{running}/log/?q=one"), Shown("/jobs/{running}/log/?q=none-is-there"),
    Shown("/jobs/{trapped}/log/?fold=*&wrap=0&clock=relative"), Shown("/jobs/{running}/log/?lines=1-3"),
    Shown("/jobs/{finished}/compare/?with={error}"), Shown("/jobs/{finished}/compare/?with=nothing", 400),
    # Several jobs: asked, and done.
    Shown("/jobs/bulk/?action=cancel&job={trapped}&job={finished}"), Shown("/jobs/bulk/", 400),
    Shown("/jobs/bulk/?action=comment&job={running}&job={finished}", act=_sent(text="seen")),
    # What is refused, in place.
    Shown("/jobs/new/", narrow=True, act=_sent(variables="nonsense")), Shown("/jobs/{finished}/retry/", 409),
    Shown("/jobs/{planned}/reschedule/", act=_sent(scheduled_at="2030-02-01T10:00", max_start_at="2030-01-01T10:00")),
    Shown("/jobs/{approval}/reject/", act=_sent()),
    Shown("/account/password/", act=_sent(new_password1="short")), Shown("/views/new/?status=error", act=_sent(name="")),
    Shown("/account/", act=_sent(_TOKENS, name="")), Shown("/account/", act=_sent(_TOKENS, name="new")),
    Shown("/account/", act=_opened("[data-keys-open]")),
    Shown("/deployments/?q=none"), Shown("/admin/jobs/project/add/", act=_sent()), Shown("/admin/jobs/approval/add/", 403),
    Shown("/admin/permissions/environment/add/", act=_sent()), Shown("/admin/jobs/job/?q=none"), Shown("/admin/nowhere/", 404),
    Shown("/login/", signed_in=False, act=_sent(username="nobody", password="wrong")),
)  # fmt: skip
STATES: Final = [replace(each, every=4) for each in _STATES]
"""How pages look otherwise."""
