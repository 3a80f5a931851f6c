"""Every kind of problem is written down."""

from http import HTTPStatus
from pathlib import Path

from clarive_monitor import bodies
from jobs.api import errors
from jobs.api.problems import KINDS, TYPE, render

PAGE = Path(__file__).parents[3] / "docs" / "problems.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "Run `python -m jobs.api.problems > docs/problems.md`."
    )


def test_whatever_is_answered_is_explained() -> None:
    own = {kind.code for kind, _answer in errors._ANSWERS if hasattr(kind, "code")}
    framework = {code for _kind, code in errors._FRAMEWORK_CODES}
    missing = (own | framework) - KINDS.keys() - {"rule_not_found"}
    assert not missing, f"Explain these codes in jobs/api/problems.py: {sorted(missing)}"
    assert all(HTTPStatus(kind.status) >= 400 for kind in KINDS.values())


def test_what_is_refused_unread_is_the_same_problem() -> None:
    kind = KINDS["too_large"]
    assert (
        bodies._PROBLEM.items()
        >= {
            "type": TYPE + "too_large",
            "title": kind.title,
            "status": kind.status,
        }.items()
    )
