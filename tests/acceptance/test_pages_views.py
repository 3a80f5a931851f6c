"""Section 9, saved views: kept on the server, shared, the one that the monitor opens with, and what changed since."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from jobs import saved_views
from jobs.exceptions import InvalidInput
from jobs.models import SavedView, UsualView
from permissions.models import Environment, User
from tests.factories import (
    EnvironmentFactory,
    GroupFactory,
    JobFactory,
    ProjectFactory,
    UserFactory,
    user_with,
)
from tests.pages import HTMX, Reader, text, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def dev() -> Environment:
    return EnvironmentFactory.create(code="DEV")


@pytest.fixture
def ops() -> Group:
    return GroupFactory.create(name="ops")


@pytest.fixture
def ana(dev: Environment, ops: Group) -> User:
    user = user_with("view_monitor", environments=[dev], username="ana")
    user.groups.add(ops)
    return user


@pytest.fixture
def reader(ana: User) -> Reader:
    return Reader(ana, "en")


def keep(user: User, name: str, query: str = "status=error", **fields: Any) -> SavedView:
    return saved_views.save(SavedView(owner=user, name=name, query=query, **fields), now=timezone.now())


def test_what_the_monitor_shows_is_kept_and_opened_again(reader: Reader, ana: User) -> None:
    page = text(reader.get("/?status=error&q=a+b&ordering=-finished_at&columns=name,id&fold=today&cursor="))
    (link,) = re.findall(r'href="(/views/new/\?[^"]+)"', page)
    form = reader.get(link.replace("&amp;", "&"))
    query = re.findall(r'name="query" value="([^"]*)"', text(form))[0].replace("&amp;", "&")
    assert query == "status=error&q=a+b&ordering=-finished_at&columns=name%2Cid"
    assert "status:error a b" in words(form)
    answer = reader.post("/views/new/", {"name": "  My   errors ", "query": query, "usual": "1"})
    view = SavedView.objects.get(owner=ana)
    assert (answer.status_code, answer["Location"], view.name) == (302, f"/?open={view.pk}", "My errors")
    opened = reader.get(f"/?open={view.pk}")
    assert (opened.status_code, opened["Location"]) == (302, f"/?view={view.pk}&{query}")
    assert reader.get("/")["Location"] == opened["Location"], "it is the usual one"
    assert reader.get("/", **HTMX).status_code == 200, "a fragment is never sent elsewhere"
    assert reader.get("/?view=none").status_code == 200


def test_changes_are_marked_and_saved(reader: Reader, ana: User) -> None:
    view = keep(ana, "Errors")
    same = reader.get(f"/?status=error&view={view.pk}&fold=today")
    assert ("Errors" in words(same), "Unsaved changes" in words(same)) == (True, False)
    changed = reader.get(f"/?status=abend&view={view.pk}")
    assert "Unsaved changes" in words(changed)
    (query,) = re.findall(r'name="query" value="([^"]*)"', text(changed))
    answer = reader.post(f"/views/{view.pk}/", {"do": "replace", "query": query})
    assert (answer.status_code, SavedView.objects.get().query) == (302, "status=abend")
    assert "Unsaved changes" not in words(reader.get(f"/?status=abend&view={view.pk}"))
    refused = reader.post(f"/views/{view.pk}/", {"do": "replace", "query": "status=nonsense"})
    assert (refused.status_code, SavedView.objects.get().query) == (400, "status=abend")


def test_a_view_is_renamed_and_deleted(reader: Reader, ana: User) -> None:
    view, other = keep(ana, "Errors"), keep(ana, "Other")
    assert reader.post(f"/views/{view.pk}/", {"name": "Broken", "sharing": "nobody"}).status_code == 302
    view.refresh_from_db()
    assert (view.name, view.query) == ("Broken", "status=error")
    taken = reader.post(f"/views/{view.pk}/", {"name": "OTHER", "sharing": "nobody"})
    assert (taken.status_code, "with this name already" in words(taken)) == (400, True)
    assert 'value="OTHER"' in text(taken), "what was typed stays"
    assert reader.post("/views/new/", {"name": " ", "query": ""}).status_code == 400
    assert reader.post(f"/views/{view.pk}/", {"do": "delete"})["Location"] == "/views/"
    assert list(SavedView.objects.all()) == [other]


def test_shared_views_show_each_reader_their_own_jobs(
    reader: Reader, ana: User, ops: Group, dev: Environment
) -> None:
    qa = EnvironmentFactory.create(code="QA")
    JobFactory.at("RUN", "ready", environment=dev, name="IN-DEV")
    JobFactory.at("RUN", "ready", environment=qa, name="IN-QA")
    view = keep(ana, "Ready", "status=ready", sharing="group", group=ops)
    bea = user_with("view_monitor", environments=[qa], username="bea")
    stranger = Reader(bea, "en")
    for address in (f"/?open={view.pk}", f"/views/{view.pk}/"):
        assert stranger.get(address).status_code == 404
    bea.groups.add(ops)
    assert "by ana" in words(stranger.get("/views/"))
    page = text(stranger.get(stranger.get(f"/?open={view.pk}")["Location"]))
    assert ("IN-QA" in page, "IN-DEV" in page) == (True, False)
    assert stranger.get(f"/views/{view.pk}/").status_code == 404, "it is not theirs to change"
    for do in ("delete", "save", "replace"):
        assert stranger.post(f"/views/{view.pk}/", {"do": do, "name": "x"}).status_code == 404
    assert stranger.post(f"/views/{view.pk}/", {"do": "usual"}).status_code == 302
    assert stranger.get("/")["Location"].startswith(f"/?view={view.pk}")
    bea.groups.remove(ops)
    assert stranger.get("/").status_code == 200, "a view that is theirs no more opens nothing"
    assert "Ready" not in re.findall(r'href="/\?open=\d+"', text(stranger.get("/")))
    bea.groups.add(ops)
    ops.delete()
    assert SavedView.objects.get(pk=view.pk).group is None, "the owner keeps it"
    assert stranger.get(f"/?open={view.pk}").status_code == 404


def test_a_shared_view_tells_no_environment_that_one_may_not_know(
    ana: User, ops: Group, dev: Environment
) -> None:
    EnvironmentFactory.create(code="SECRET")
    both = keep(ana, "Both", "environment=DEV&environment=SECRET", sharing="group", group=ops)
    only = keep(ana, "Only", "environment=SECRET", sharing="group", group=ops)
    bea = user_with("view_monitor", environments=[dev], username="bea")
    bea.groups.add(ops)
    reader = Reader(bea, "en")
    opened = reader.get(f"/?open={both.pk}")["Location"]
    assert opened == f"/?view={both.pk}&environment=DEV"
    assert "Unsaved" not in words(reader.get(opened))
    hidden = reader.get(f"/?open={only.pk}")["Location"]
    assert hidden == "/?view=none"
    page = reader.get(hidden)
    assert ("environments that you do not see" in words(page), "SECRET" in text(page)) == (True, False)


def test_who_may_share_with_whom(reader: Reader, ana: User, ops: Group) -> None:
    others = GroupFactory.create(name="others")
    form = text(reader.get("/views/new/"))
    assert ('value="everyone"' in form, ">others<" in form) == (False, False)
    refusals: tuple[dict[str, Any], ...] = (
        {"sharing": "group", "group": others.pk}, {"sharing": "group"}, {"sharing": "everyone"},
    )  # fmt: skip
    for sharing in refusals:
        answer = reader.post("/views/new/", {"name": "x", "query": "", **sharing})
        assert (answer.status_code, SavedView.objects.count()) == (400, 0), sharing
    assert reader.post("/views/new/", {"name": "x", "sharing": "group", "group": ops.pk}).status_code == 302
    ana.is_staff = True
    ana.save()
    assert reader.post("/views/new/", {"name": "y", "sharing": "everyone"}).status_code == 400
    ana.user_permissions.add(Permission.objects.get(codename="change_savedview"))
    assert reader.post("/views/new/", {"name": "y", "sharing": "everyone"}).status_code == 302
    assert "by ana" in words(Reader(UserFactory.create(), "en").get("/views/"))


def test_who_lost_the_right_to_share_changes_nothing_that_everyone_sees(reader: Reader, ana: User) -> None:
    ana.is_staff = True
    ana.save()
    ana.user_permissions.add(Permission.objects.get(codename="change_savedview"))
    reader.post("/views/new/", {"name": "y", "query": "status=error", "sharing": "everyone"})
    view = SavedView.objects.get()
    ana.user_permissions.clear()
    answer = reader.post(f"/views/{view.pk}/", {"do": "replace", "query": "status=abend"})
    assert (answer.status_code, "Only administrators may change" in words(answer)) == (400, True)
    assert reader.post(f"/views/{view.pk}/", {"name": "z", "sharing": "everyone"}).status_code == 302
    view.refresh_from_db()
    assert (view.name, view.query, view.sharing) == ("z", "status=error", "everyone")
    assert reader.post(f"/views/{view.pk}/", {"name": "z", "sharing": "nobody"}).status_code == 302
    assert reader.post(f"/views/{view.pk}/", {"do": "replace", "query": "status=abend"}).status_code == 302


def test_a_shared_view_tells_no_code_and_no_name_that_one_may_not_know(
    ana: User, ops: Group, dev: Environment
) -> None:
    qa = EnvironmentFactory.create(code="QA")
    mine = JobFactory.at("RUN", "ready", environment=dev, project=ProjectFactory.create(code="seen"))
    other = JobFactory.at("RUN", "ready", environment=qa)
    bea = user_with(username="bea")
    bea.groups.add(ops)
    sees = user_with("view_monitor", environments=[dev], username="sees")
    sees.groups.add(ops)
    things = {
        "project": ("seen", "unknown"),
        "rule": (mine.rule.slug, other.rule.slug),
        "created_by": (mine.created_by.username, other.created_by.username),
    }
    for name, (seen, hidden) in things.items():
        view = keep(ana, name, f"{name}={seen}&exclude_{name}={hidden}", sharing="group", group=ops)
        answer = Reader(bea, "en").get(f"/?open={view.pk}")
        assert answer["Location"] == "/?view=none", name
        opened = Reader(sees, "en").get(f"/?open={view.pk}")["Location"]
        assert f"{name}={seen}" in opened, name
        if name != "rule":
            # Every rule is known to who may see a job.
            assert hidden not in opened, name
    view = keep(ana, "user", f"created_by={other.created_by.username}", sharing="group", group=ops)
    assert Reader(sees, "en").get(f"/?open={view.pk}")["Location"] == "/?view=none"
    told = Reader(sees, "en")
    page = words(told.get(told.get(f"/?open={view.pk}")["Location"]))
    assert "projects, rules or people that you do not see" in page


def test_own_views_are_listed_however_many_others_share(
    reader: Reader, ana: User, ops: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_views, "MOST", 2)
    bea = UserFactory.create()
    bea.groups.add(ops)
    own = [keep(ana, name) for name in ("Y", "Z")]
    monkeypatch.setattr(saved_views, "MOST", 9)
    shared = [keep(bea, name, sharing="group", group=ops) for name in "ABC"]
    monkeypatch.setattr(saved_views, "MOST", 2)
    assert saved_views.listed(ana) == [*own, *shared[:2]]
    page = words(reader.get(f"/?view={shared[2].pk}&status=abend"))
    assert "Unsaved changes" in page, "one that is not in the list can be shown all the same"


def test_numbers_that_are_no_views(reader: Reader) -> None:
    for address in (
        "/?open=987654321",
        "/?open=x",
        f"/?open={9**40}",
        "/views/987654321/",
        f"/views/{9**40}/",
    ):
        assert reader.get(address).status_code == 404, address
    assert reader.get("/?view=987654321").status_code == 200, (
        "a view that is gone is no reason to show nothing"
    )
    assert reader.get("/?view=x").status_code == 400


def test_there_are_only_so_many(ana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MOST", 1)
    view = keep(ana, "First")
    with pytest.raises(InvalidInput):
        keep(ana, "Second")
    view.name = "Renamed"
    assert saved_views.save(view, now=timezone.now()).name == "Renamed"
    view.delete()
    view.pk = 5
    with translation.override("en"), pytest.raises(InvalidInput, match="gone"):
        saved_views.save(view, now=timezone.now())


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"name": "FIRST"}, {"sharing": "all"}, {"sharing": "everyone", "group": True}],
)
def test_the_database_keeps_what_must_hold(ana: User, ops: Group, fields: dict[str, Any]) -> None:
    keep(ana, "First")
    given = {**fields, **({"group": ops} if "group" in fields else {})}
    with pytest.raises(IntegrityError), transaction.atomic():
        SavedView.objects.create(**{"owner": ana, "name": "x", "changed_at": timezone.now(), **given})


def test_the_page_of_views_costs_the_same_queries(
    reader: Reader, ana: User, ops: Group, django_assert_num_queries: Any
) -> None:
    keep(ana, "0", sharing="group", group=ops)
    UsualView.objects.create(user=ana, view=SavedView.objects.get())
    reader.get("/views/")
    with django_assert_num_queries(7):
        reader.get("/views/")
    for number in range(1, 9):
        keep(ana, str(number), sharing="group", group=ops)
    with django_assert_num_queries(7):
        reader.get("/views/")
