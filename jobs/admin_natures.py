"""Administration of natures: patterns, one a line, and a box in which paths try them before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from jobs import natures
from jobs.models import Nature
from jobs.natures import Matcher, PatternsInvalid, TookTooLong, Verdict
from jobs.wording import translated
from permissions.admin_shown import KeepsWhatOthersChanged
from permissions.echoes import clipped

MOST_TRIED: Final = 1000
TRIAL_SECONDS: Final = 2.0
MOST_SHOWN: Final = 5
_LINES: Final = {
    "cols": 60,
    "spellcheck": "false",
    "autocapitalize": "off",
    "autocomplete": "off",
    "class": "code-lines",
}


def lines_of(text: str) -> list[tuple[int, str]]:
    """Return the lines of a text area that say something, each with its number."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


class PatternsField(forms.CharField):
    """A list of patterns, edited as one a line."""

    widget = forms.Textarea(attrs={**_LINES, "rows": 8})

    def __init__(self, **options: Any) -> None:
        """Keep leading blanks, which gitignore keeps."""
        super().__init__(required=False, strip=False, **options)

    def prepare_value(self, value: Any) -> Any:
        """Return what the text area holds."""
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """Return the patterns.

        Raises:
            ValidationError: Names line and pattern of each that cannot be used.
        """
        numbered = lines_of(str(value or ""))
        patterns = patterns_of(value)
        wrong = natures.mistakes(patterns)
        if wrong:
            raise ValidationError(
                [
                    gettext("Line %(line)d, “%(pattern)s”: %(fault)s")
                    % {
                        "line": numbered[mistake.line - 1][0],
                        "pattern": clipped(mistake.pattern),
                        "fault": translated(mistake.fault.value),
                    }
                    for mistake in wrong[:MOST_SHOWN]
                ]
            )
        return patterns

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether there are other patterns than before."""
        return patterns_of(data) != list(initial or [])


def patterns_of(text: Any) -> list[str]:
    """Return the patterns in a text area. Blanks at the end count only when they are escaped, as in gitignore."""
    found = (line for _number, line in lines_of(str(text or "")))
    return [line if line.endswith("\\ ") else line.rstrip() for line in found]


class NatureForm(forms.ModelForm[Nature]):
    """A nature with its patterns as text."""

    include = PatternsField(
        label=_("Patterns that include"),
        help_text=_(
            "One pattern a line, in the style of gitignore: *.py, src/**/*.sql, /Makefile, docs/ (a folder). "
            "A later line that begins with ! takes back what an earlier one included. Lines that begin with # are comments."
        ),
    )
    exclude = PatternsField(
        label=_("Patterns that exclude"),
        help_text=_(
            "The same way. A path that is excluded does not belong to the nature, whatever includes it."
        ),
    )

    class Meta:
        model = Nature
        fields = ("code", "name", "include", "exclude")


class TrialForm(forms.Form):
    """Paths to try."""

    paths = forms.CharField(
        label=_("Paths to try"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={**_LINES, "rows": 6, "placeholder": "src/app/models.py\ndb/001_init.sql"}
        ),
        help_text=_("One a line, relative to the repository. Nothing is saved by trying."),
    )
    everything = forms.BooleanField(label=_("Also say which saved natures match"), required=False)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one path.

    Attributes:
        path: As written.
        own: What the patterns in the form say, ``None`` when only saved natures are tried.
        matching: Code and deciding pattern of the saved natures that match.
        excluding: Of those that exclude it.
    """

    path: str
    own: Verdict | None
    matching: list[tuple[str, str]]
    excluding: list[tuple[str, str]]


@dataclass(slots=True)
class Trial:
    """What came of trying paths: a row for each, and what keeps it from being complete."""

    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    has_own: bool = False
    has_saved: bool = False

    @property
    def summary(self) -> str:
        """What is said aloud."""
        if not self.rows:
            return " ".join(self.problems)
        hits = sum(1 for row in self.rows if (row.own.matches if row.own else bool(row.matching)))
        text = ngettext("%(hits)d of %(n)d path matches.", "%(hits)d of %(n)d paths match.", len(self.rows))
        return " ".join([text % {"hits": hits, "n": len(self.rows)}, *self.problems])


@lru_cache(maxsize=256)
def _matcher(include: tuple[str, ...], exclude: tuple[str, ...]) -> Matcher:
    return Matcher(include, exclude)


_OWN: Final = ""


def run_trial(data: QueryDict, *, own: bool) -> Trial:
    """Try the paths in ``data`` on the patterns in it, when ``own``, and on saved natures, when it asks for these.

    Args:
        data: ``paths``, ``everything``, and of a nature's form ``include``, ``exclude`` and ``nature``, its number.
        own: Whether there are patterns of a form.
    """
    found = Trial(has_own=own, has_saved=not own or bool(data.get("everything")))
    try:
        with natures.within(TRIAL_SECONDS):
            _try(found, data)
    except TookTooLong:
        found.problems.append(gettext("It takes too long: try fewer paths or patterns."))
    return found


def _try(found: Trial, data: QueryDict) -> None:
    matchers = _saved(found, data.get("nature", "")) if found.has_saved else {}
    if found.has_own:
        include, exclude = patterns_of(data.get("include")), patterns_of(data.get("exclude"))
        try:
            matchers = {_OWN: _matcher(tuple(include), tuple(exclude)), **matchers}
        except PatternsInvalid as error:
            found.problems += _wrong(error, len(natures.mistakes(include)))
            return
    paths = _paths(found, data.get("paths", ""))
    decided = natures.decide_all(matchers, paths)
    found.rows = [_row(path, verdicts) for path, verdicts in zip(paths, decided, strict=True)]


def _saved(trial: Trial, but: str) -> dict[str, Matcher]:
    """Return the saved natures; those with patterns that cannot be used are told."""
    matchers = {}
    for nature in Nature.objects.order_by("code"):
        if str(nature.pk) == but:
            continue
        try:
            matchers[nature.code] = _matcher(tuple(nature.include), tuple(nature.exclude))
        except (PatternsInvalid, TypeError):
            text = gettext("The saved nature %(code)s has patterns that cannot be used.")
            trial.problems.append(text % {"code": nature.code})
    return matchers


def _paths(trial: Trial, text: str) -> list[str]:
    numbered = lines_of(text)
    if len(numbered) > MOST_TRIED:
        trial.problems.append(gettext("Only the first %(n)d paths are tried.") % {"n": MOST_TRIED})
    paths = []
    for number, line in numbered[:MOST_TRIED]:
        if len(line) > natures.LONGEST_PATH:
            said = gettext("Line %(line)d is longer than %(n)d characters and is left out.")
            trial.problems.append(said % {"line": number, "n": natures.LONGEST_PATH})
        else:
            paths.append(line.strip())
    return paths


def _wrong(error: PatternsInvalid, of_include: int) -> list[str]:
    said = []
    for place, mistake in enumerate(error.mistakes[:MOST_SHOWN]):
        text = gettext("%(list)s, “%(pattern)s”: %(fault)s")
        name = gettext("Patterns that include") if place < of_include else gettext("Patterns that exclude")
        said.append(
            text
            % {"list": name, "pattern": clipped(mistake.pattern), "fault": translated(mistake.fault.value)}
        )
    return said


def _row(path: str, verdicts: Mapping[str, Verdict]) -> Row:
    saved = [(code, verdict) for code, verdict in verdicts.items() if code != _OWN]
    return Row(
        path=path,
        own=verdicts.get(_OWN),
        matching=[(code, verdict.pattern) for code, verdict in saved if verdict.matches],
        excluding=[
            (code, verdict.pattern) for code, verdict in saved if verdict.result is natures.Result.EXCLUDED
        ],
    )


class NatureAdmin(KeepsWhatOthersChanged[Nature]):
    """Natures with their patterns."""

    form = NatureForm
    list_display = ("code", "name", "included", "excluded")
    search_fields = ("code", "name")
    change_form_template = "admin/jobs/nature/change_form.html"
    change_list_template = "admin/jobs/nature/change_list.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Nature | None = None) -> tuple[str, ...]:
        """Keep the code, by which rules know it."""
        return ("code",) if obj is not None else ()

    @admin.display(description=_("include"))
    def included(self, nature: Nature) -> str:
        """Show the first patterns."""
        return _shortened(nature.include)

    @admin.display(description=_("exclude"))
    def excluded(self, nature: Nature) -> str:
        """Show the first patterns."""
        return _shortened(nature.exclude)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that tries all natures, and what the box asks while somebody types."""
        view = self.admin_site.admin_view
        return [
            path("try/", view(self.try_all), name="jobs_nature_try"),
            path("trial/", view(self.trial), name="jobs_nature_trial"),
            *super().get_urls(),
        ]

    def get_form(
        self, request: HttpRequest, obj: Nature | None = None, change: bool = False, **options: Any
    ) -> type[forms.ModelForm[Nature]]:
        """Return the form; one that is only tried is never valid, so that nothing is saved and all that was typed stays."""
        form = super().get_form(request, obj, change=change, **options)
        if "_try" not in request.POST:
            return form

        class Tried(form):  # type: ignore[valid-type,misc]
            def is_valid(self) -> bool:
                """Look at the fields, so that their mistakes are shown, and say no."""
                super().is_valid()
                return False

        return Tried

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Nature | None = None,
    ) -> HttpResponse:
        """Add the box below the form."""
        context["trial_form"] = TrialForm(request.POST if request.method == "POST" else None)
        if "_try" in request.POST:
            context["trial"] = run_trial(_with(request.POST, obj), own=True)
        return super().render_change_form(
            request, context, add=add, change=change, form_url=form_url, obj=obj
        )

    def try_all(self, request: HttpRequest) -> HttpResponse:
        """Show which of the saved natures match some paths."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        posted = request.method == "POST"
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Try natures"),
            "opts": self.opts,
            "trial_form": TrialForm(request.POST if posted else None),
            "trial": run_trial(request.POST, own=False) if posted else None,
        }
        return TemplateResponse(request, "admin/jobs/nature/try.html", context)

    @method_decorator(require_POST)
    def trial(self, request: HttpRequest) -> HttpResponse:
        """Answer with the results alone."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = run_trial(request.POST, own="include" in request.POST)
        return TemplateResponse(request, "admin/jobs/nature/_trial.html", {"trial": found})


def _with(data: QueryDict, nature: Nature | None) -> QueryDict:
    """Return what was sent, with the nature that it stands for."""
    found = data.copy()
    found["nature"] = str(nature.pk) if nature is not None and nature.pk else ""
    return found


def _shortened(patterns: Sequence[Any]) -> str:
    shown = ", ".join(str(pattern) for pattern in patterns[:MOST_SHOWN])
    return f"{shown}, …" if len(patterns) > MOST_SHOWN else shown or "–"
