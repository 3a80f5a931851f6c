"""How far two environments are apart in one project: the commits that each has and the other one lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from jobs import deployments, selectors
from jobs.contents import offering
from jobs.contents.history import Commits
from jobs.contents.offering import Apart
from jobs.deployments import Brought, Wanted
from jobs.execution.origins import repository_of
from jobs.models import Project
from jobs.repositories import RepositoryError
from jobs.secrets import vault
from permissions import policy
from permissions.models import Environment
from permissions.policy import AnyUser


@dataclass(frozen=True, slots=True)
class Drift:
    """How far two environments are apart in one project.

    Attributes:
        project: Which one.
        first: An environment.
        second: The one that it is compared with.
        in_first: What the first one has of the project, ``None`` for nothing.
        in_second: What the second one has, likewise.
        ahead: Commits that the first one has and the second one lacks; ``None`` when that is not known.
        behind: Commits that the second one has and the first one lacks; ``None`` likewise.
        problems: Why the commits are not known, or perhaps not all, in sentences; none when all is well.
    """

    project: Project
    first: Environment
    second: Environment
    in_first: Brought | None
    in_second: Brought | None
    ahead: Commits | None
    behind: Commits | None
    problems: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether both have the same commits, or nothing, or each what the other one's commits lead to."""
        if _shas(self.in_first) == _shas(self.in_second):
            return True
        sides = (self.ahead, self.behind)
        return not self.problems and all(commits is not None and not commits.count for commits in sides)


def read(
    user: AnyUser, project_code: str, codes: tuple[str, str], at: datetime | None, *, most: int
) -> Drift | None:
    """Return how far two environments are apart; ``None`` when ``user`` sees no such project or environment.

    Args:
        user: Who asks.
        project_code: Of the project.
        codes: Of the two environments, which may be the same.
        at: As it was then; ``None`` for now.
        most: So many commits are listed on each side.
    """
    project = selectors.visible_projects(user).filter(code=project_code).first()
    visible = policy.environments_for(user).defer("variables").filter(code__in=codes)
    named = {each.code: each for each in visible}
    if project is None or not named.keys() >= set(codes):
        return None
    wanted = Wanted(set(codes), [project.code], at)
    found = deployments.places(user, wanted, beyond=None, backward=False, inclusive=False, count=2)
    brought = {place.environment: place.brought for place in found}
    first, second = (named[code] for code in codes)
    in_first, in_second = (brought.get(code) for code in codes)
    difference, problems = _compared(project, (first, in_first), (second, in_second), most)
    return Drift(project, first, second, in_first, in_second, difference.ahead, difference.behind, problems)


Side = tuple[Environment, Brought | None]


def _compared(project: Project, first: Side, second: Side, most: int) -> tuple[Apart, tuple[str, ...]]:
    """Return the commits, and what is wrong with them; git is asked only when there is something to ask."""
    shas = [sorted(_shas(brought)) for _environment, brought in (first, second)]
    if shas[0] == shas[1]:
        return Apart(Commits(), Commits()), ()
    if not project.repository:
        return Apart(None, None), (f"The project {project.code} has no repository.",)
    try:
        found = offering.apart(repository_of(project), *shas, most=most)
    except RepositoryError as error:
        return Apart(None, None), (f"The repository cannot be read: {error}",)
    hide = _hiding(project, first[0], second[0])
    shown = replace(found, ahead=_hidden(found.ahead, hide), behind=_hidden(found.behind, hide))
    return shown, tuple(_problems(found, (first, second)))


def coming(
    project: Project,
    environment: Environment,
    there: Brought,
    shas: Sequence[str],
    *,
    most: int,
    seconds: float,
) -> tuple[Commits | None, tuple[str, ...]]:
    """Return the commits that revisions would bring to what an environment has, and what is wrong with them, in sentences.

    Args:
        project: Has a repository.
        environment: Where they would go.
        there: What it has of the project.
        shas: Commits of the revisions.
        most: So many are listed.
        seconds: How long it may take.
    """
    repository = repository_of(project)
    try:
        found = offering.apart(
            repository, shas, sorted(there.shas), most=most, seconds=seconds, current=False
        )
    except RepositoryError as error:
        return None, (f"The repository cannot be read: {error}",)
    if found.gone in shas:
        return None, (f"There is no tag, branch or commit {found.gone!r} in {repository.public}.",)
    problems = _problems(found, ((environment, there),))
    return _hidden(found.ahead, _hiding(project, environment)), tuple(problems)


def _hiding(project: Project, *environments: Environment) -> Callable[[str], str]:
    """Return what hides the secrets that jobs of the project in the environments may read; people write them into commits."""
    masks = [vault.open_for(each.pk, project.pk).mask for each in environments]

    def hide(text: str) -> str:
        for mask in masks:
            text = mask.text(text)
        return text

    return hide


def _hidden(commits: Commits | None, hide: Callable[[str], str]) -> Commits | None:
    if commits is None:
        return None
    listed = [replace(each, author=hide(each.author), subject=hide(each.subject)) for each in commits.listed]
    return replace(commits, listed=tuple(listed))


def _problems(found: Apart, sides: Sequence[Side]) -> Iterator[str]:
    lost = "its history was rewritten, or the branch or tag that led to it was deleted"
    if found.gone:
        why = (
            "not in the repository, which has not all of its history"
            if found.is_shallow
            else f"no longer in the repository: {lost}"
        )
        yield f"The commit {found.gone}, {_who_brought(found.gone, sides)}, is {why}. The commits are not known."
    elif found.left_behind:
        yield (
            f"The commit {found.left_behind}, {_who_brought(found.left_behind, sides)}, is no longer in the repository: {lost}. "
            "It is compared with the copy that was fetched before."
        )
    if found.is_shallow and not found.gone:
        yield "The repository has not all of its history: commits may be missing from the list."
    if found.outdated:
        yield f"It is not known whether the repository still has the same history and tags: {found.outdated}"


def _who_brought(sha: str, sides: Sequence[Side]) -> str:
    environment, brought = next(side for side in sides if sha in _shas(side[1]))
    assert brought is not None
    return f"which {brought.job_name} brought to {environment.code}"


def _shas(brought: Brought | None) -> frozenset[str]:
    return frozenset(brought.shas if brought else ())
