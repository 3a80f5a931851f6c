"""A saved view is made the usual one, kept and deleted at the same moment: each comes before or after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from jobs import saved_views
from jobs.exceptions import InvalidInput
from jobs.models import SavedView, UsualView
from permissions.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def keep(user: User, name: str) -> SavedView:
    return saved_views.save(SavedView(owner=user, name=name, query="status=error"), now=timezone.now())


def at_once(doings: Iterable[Callable[[], object]]) -> list[str]:
    """Do each in a thread of its own at the same moment; return what each ended in: ``done`` or the name of its error."""
    found = list(doings)
    barrier = Barrier(len(found))

    def run(doing: Callable[[], object]) -> str:
        close_old_connections()
        try:
            barrier.wait(timeout=10)
            doing()
        except InvalidInput:
            return "InvalidInput"
        else:
            return "done"
        finally:
            connection.close()

    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(run, found))


def test_one_of_several_is_the_usual_one() -> None:
    ana = UserFactory.create()
    views = [keep(ana, str(number)) for number in range(4)]
    for _round in range(5):
        ended = at_once([lambda view=view: saved_views.set_usual(ana, view) for view in views])  # type: ignore[misc]
        assert ended == ["done"] * 4
        assert UsualView.objects.get().view in views
        UsualView.objects.all().delete()


def test_what_is_being_deleted_becomes_nobodys_usual_view() -> None:
    """Whichever comes first, no row is left that names a view that is gone."""
    ana = UserFactory.create()
    for number in range(10):
        view = keep(ana, str(number))
        again = SavedView.objects.get(pk=view.pk)
        ended = at_once([lambda: saved_views.delete(again), lambda: saved_views.set_usual(ana, view)])  # noqa: B023
        assert ended in (["done", "done"], ["done", "InvalidInput"])
        assert not UsualView.objects.exists()


def test_making_it_the_usual_one_waits_for_a_deletion_that_has_begun() -> None:
    ana = UserFactory.create()
    view = keep(ana, "x")
    is_deleted, may_end = Event(), Event()

    def remove() -> None:
        with transaction.atomic():
            saved_views.delete(SavedView.objects.get(pk=view.pk))
            is_deleted.set()
            may_end.wait(timeout=10)

    def choose() -> None:
        is_deleted.wait(timeout=10)
        may_end.set()
        saved_views.set_usual(ana, view)

    assert at_once([remove, choose]) == ["done", "InvalidInput"]


def test_a_name_is_taken_once_and_no_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ana = UserFactory.create()
    assert sorted(at_once([lambda: keep(ana, "Same")] * 3)) == ["InvalidInput", "InvalidInput", "done"]
    monkeypatch.setattr(saved_views, "MOST", 3)
    names = ("a", "b", "c", "d")
    ended = at_once([lambda name=name: keep(ana, name) for name in names])  # type: ignore[misc]
    assert sorted(ended) == ["InvalidInput", "InvalidInput", "done", "done"]
    assert SavedView.objects.count() == 3
