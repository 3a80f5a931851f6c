"""Looking up revisions of a project for the form of a new job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from jobs import selectors
from jobs.contents import offering
from jobs.contents.offering import Choice
from jobs.execution.origins import repository_of
from jobs.models import Project
from jobs.monitor.gate import reader, signed_in
from jobs.repositories import RepositoryError
from jobs.secrets import vault
from jobs.secrets.masking import Mask
from jobs.wording import translated
from permissions import policy
from permissions.catalog import Right

KINDS: Final[dict[str, Promise]] = {
    "tag": gettext_lazy("Tags"),
    "branch": gettext_lazy("Branches"),
    "commit": gettext_lazy("Commits"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """Choices of one kind, and whether there are more of them."""

    kind: str
    label: Promise
    choices: Sequence[Choice]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Attributes:
        groups: By kind; those with nothing are left out.
        problem: Why nothing, or not all, could be looked up, in the reader's language; empty when all is well.
    """

    groups: Sequence[Group] = field(default_factory=tuple)
    problem: str = ""

    @property
    def count(self) -> int:
        """How many there are to choose."""
        return sum(len(group.choices) for group in self.groups)


@signed_in
@require_safe
def revisions(request: HttpRequest) -> HttpResponse:
    """Give what a project's repository has for the letters typed (``q``), as a fragment of the form.

    It is for those who may create jobs somewhere, of projects that they see; for others nothing is there.

    Raises:
        Http404: There is no such project for this reader.
    """
    user = reader(request)
    code = request.GET.get("project", "")
    if "\0" in code or not policy.environments_for(user, Right.CREATE).exists():
        raise Http404
    project = selectors.visible_projects(user).filter(code=code).first()
    if project is None:
        raise Http404
    context: dict[str, Any] = {"found": look_up(project, request.GET.get("q", ""))}
    return render(request, "monitor/_revisions.html", context)


def look_up(project: Project, text: str) -> Found:
    """Return what the repository of ``project`` has for ``text``; never raises, and never takes long."""
    if not project.repository:
        return Found(problem=_("The project has no repository."))
    try:
        found = offering.offer(repository_of(project), text)
    except RepositoryError as error:
        said = _("The repository cannot be looked at: %(reason)s You can still write the revision.")
        return Found(problem=said % {"reason": _sentence(translated(str(error)))})
    mask = vault.mask_of(project.pk)
    groups = [
        Group(kind, label, [_without(mask, choice) for choice in found.of(kind)], kind in found.more)
        for kind, label in KINDS.items()
        if found.of(kind)
    ]
    problem = (
        "" if found.are_commits_known else _("Commits cannot be read here yet; names are there all the same.")
    )
    return Found(groups, problem)


def _without(mask: Mask, choice: Choice) -> Choice:
    """Return a choice without secrets: people write them into commits."""
    commit = choice.commit
    if commit is None or not mask:
        return choice
    return replace(
        choice, commit=replace(commit, author=mask.text(commit.author), subject=mask.text(commit.subject))
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
