"""Section 9, administration of natures: patterns one a line, tried on paths before they are saved."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from jobs import admin_natures
from jobs.models import Nature
from tests.factories import NatureFactory, UserFactory
from tests.pages import Reader, text, words

pytestmark = pytest.mark.django_db

ADD = "/admin/jobs/nature/add/"
TRIAL = "/admin/jobs/nature/trial/"


@pytest.fixture
def root() -> Reader:
    return Reader(UserFactory.create(is_superuser=True, is_staff=True), language="en")


def form(**values: Any) -> dict[str, Any]:
    return {"code": "python", "name": "Python", "include": "*.py", "exclude": "", "paths": "", **values}


def test_patterns_are_edited_one_a_line(root: Reader) -> None:
    patterns = "*.py\r\n\r\n# made by hand \r\n/setup.cfg  "
    assert root.post(ADD, form(include=patterns, exclude="tests/")).status_code == 302
    (nature,) = Nature.objects.all()
    assert (nature.include, nature.exclude) == (["*.py", "# made by hand", "/setup.cfg"], ["tests/"])
    page = text(root.get(f"/admin/jobs/nature/{nature.pk}/change/"))
    assert "*.py\n# made by hand\n/setup.cfg</textarea>" in page
    assert "*.py, # made by hand, /setup.cfg" in text(root.get("/admin/jobs/nature/"))


def test_a_pattern_that_cannot_be_used_is_named_with_its_line_and_nothing_is_saved(root: Reader) -> None:
    answer = root.post(ADD, form(include="*.py\n\nsrc/[ab", exclude="a\\"))
    assert answer.status_code == 200
    said = words(answer)
    assert "Line 3, “src/[ab”: The pattern opens a [ that no ] closes." in said
    assert "Line 1, “a\\”: The pattern ends with a backslash that escapes nothing." in said
    assert not Nature.objects.exists()


def test_trying_shows_what_decides_each_path_and_saves_nothing(root: Reader) -> None:
    NatureFactory.create(code="docs", include=["*.md"], exclude=["tests/"])
    paths = "src/a.py\ntests/b.py\nold/c.py\nREADME.md\ntests/x.md"
    sent = form(include="*.py\n!old/**", exclude="tests/", paths=paths, everything="on", _try="1")
    said = words(root.post(ADD, sent))
    assert "1 of 5 paths match." in said
    for row in (
        "src/a.py ✓ matches *.py – none",
        "tests/b.py ✕ excluded by tests/ – none",
        "old/c.py ✕ taken back by !old/** – none",
        "README.md – not matched ✓ docs *.md",
        "tests/x.md – not matched ✕ docs : excluded by tests/",
    ):
        assert row.replace(" : ", ": ") in said.replace(" : ", ": "), row
    assert Nature.objects.count() == 1
    page = text(root.post(ADD, sent))
    assert "tests/b.py" in page.partition("</textarea>")[2]
    assert 'value="python"' in page, "what was typed stays"
    assert "Please correct" not in page


def test_the_patterns_in_the_form_are_tried_and_not_the_saved_ones(root: Reader) -> None:
    nature = NatureFactory.create(code="python", include=["*.py"])
    address = f"/admin/jobs/nature/{nature.pk}/change/"
    said = words(root.post(address, form(include="*.sql", paths="a.py\nb.sql", everything="on", _try="1")))
    assert "a.py – not matched – none" in said
    assert "b.sql ✓ matches *.sql – none" in said
    nature.refresh_from_db()
    assert nature.include == ["*.py"]


def test_a_mistake_in_the_patterns_is_said_where_they_are_tried(root: Reader) -> None:
    said = words(root.post(TRIAL, form(include="[a", paths="x")))
    assert said == "Patterns that include, “[a”: The pattern opens a [ that no ] closes."


def test_the_fragment_and_the_page_over_all_natures(root: Reader) -> None:
    NatureFactory.create(code="py", include=["*.py"])
    NatureFactory.create(code="sql", include=["*.sql"])
    NatureFactory.create(code="old", include=["[broken"])
    answer = root.post(TRIAL, {"paths": "a.py\n<b>.txt"})
    assert "<html" not in text(answer)
    assert "&lt;b&gt;.txt" in text(answer)
    said = words(root.post("/admin/jobs/nature/try/", {"paths": "a.py\nb.sql\nc.txt"}))
    assert "2 of 3 paths match. The saved nature old has patterns that cannot be used." in said
    assert "a.py ✓ py *.py b.sql ✓ sql *.sql c.txt – none" in said
    assert root.get("/admin/jobs/nature/try/").status_code == 200
    assert root.get(TRIAL).status_code == 405


def test_trying_is_bounded(root: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_natures, "MOST_TRIED", 2)
    said = words(root.post(TRIAL, form(paths=f"a.py\n{'x' * 5000}\nc.py")))
    assert "Only the first 2 paths are tried. Line 2 is longer than 4096 characters and is left out." in said
    assert "c.py" not in said
    monkeypatch.setattr(admin_natures, "TRIAL_SECONDS", -1)
    assert "It takes too long: try fewer paths or patterns." in words(root.post(TRIAL, form(paths="a.py")))


def test_the_worst_patterns_and_path_do_not_hold_the_box_up(root: Reader) -> None:
    worst = "\n".join(f"*{'?' * 480}b*{number:04d}" for number in range(1000))
    begun = time.monotonic()
    said = words(root.post(TRIAL, form(include=worst, paths="a" * 4096)))
    assert "It takes too long: try fewer paths or patterns." in said
    assert time.monotonic() - begun < 2.5 * admin_natures.TRIAL_SECONDS


def test_only_those_who_may_see_natures_try_them() -> None:
    user = UserFactory.create(is_staff=True)
    staff = Reader(user, language="en")
    assert staff.post(TRIAL, {"paths": "a"}).status_code == 403
    assert staff.get("/admin/jobs/nature/try/").status_code == 403
    nature = NatureFactory.create()
    user.user_permissions.set(Permission.objects.filter(codename="view_nature"))
    staff = Reader(type(user).objects.get(pk=user.pk), language="en")
    assert staff.post(TRIAL, {"paths": "a"}).status_code == 200
    address = f"/admin/jobs/nature/{nature.pk}/change/"
    assert 'name="_try"' not in text(staff.get(address))
    assert staff.post(address, form(_try="1")).status_code == 403
