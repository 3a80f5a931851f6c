"""Searching a list for words: a word that few jobs have is looked up first, one that many have is met on the way."""

from __future__ import annotations

from typing import Final

from jobs.models import Job, JobRevision
from jobs.search_words import split

MOST: Final = 3000
"""A word that so many jobs have is common: whoever walks the list meets it soon enough."""

SHORTEST: Final = 3
"""Fewer letters make no trigram."""

SHORTEST_COMMIT: Final = 7
LONGEST_COMMIT: Final = 40


def jobs_with(text: str) -> list[int] | None:
    """Return the numbers of all jobs that may have the rarest word of ``text``, ``None`` when each word is common or short.

    Whoever asks still has to look at the jobs themselves: the other words count too.
    """
    best: list[int] | None = None
    for word in split(text):
        found = _having(word) if len(word) >= SHORTEST else None
        if found is not None and (best is None or len(found) < len(best)):
            best = found
    return best


def _having(word: str) -> list[int] | None:
    most = MOST + 1
    places = [
        Job.objects.filter(name__icontains=word).order_by().values_list("pk")[:most],
        Job.objects.filter(comment__icontains=word).order_by().values_list("pk")[:most],
        JobRevision.objects.filter(ref=word).order_by().values_list("job_id")[:most],
    ]
    if word.isdecimal() and len(word) < 19:
        places.append(Job.objects.filter(pk=int(word)).order_by().values_list("pk"))
    if SHORTEST_COMMIT <= len(word) <= LONGEST_COMMIT:
        commits = JobRevision.objects.filter(sha__startswith=word.lower())
        places.append(commits.order_by().values_list("job_id")[:most])
    first, *others = places
    rows = [number for (number,) in first.union(*others, all=True)]
    return sorted(set(rows)) if len(rows) <= MOST else None
