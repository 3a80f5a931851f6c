"""Searching a list for words: a word that few jobs have is looked up first, one that many have is met on the way."""

from __future__ import annotations

from typing import Final

from django.db import connection

from jobs.search_words import split

MOST: Final = 3000
"""A word that so many jobs have is common: whoever walks the list meets it soon enough."""

NEWEST: Final = 1000
MANY_OF_NEWEST: Final = 50
"""A word that so many of the newest jobs have is common, too, which costs less to see."""

SHORTEST: Final = 3
"""Fewer letters make no trigram."""

SHORTEST_COMMIT: Final = 7
LONGEST_COMMIT: Final = 40


_OF_NEWEST: Final = f"""
SELECT count(*) FROM (SELECT name, comment FROM jobs_job ORDER BY id DESC LIMIT {NEWEST}) AS newest
WHERE upper(name::text) LIKE upper(%s) OR upper(comment::text) LIKE upper(%s)
"""


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
    like = f"%{connection.ops.prep_for_like_query(word)}%"
    # As ``icontains`` writes it, which is what the index of trigrams is on.
    places: list[tuple[str, tuple[str | int, ...]]] = [
        ("jobs_job WHERE upper(name::text) LIKE upper(%s)", (like,)),
        ("jobs_job WHERE upper(comment::text) LIKE upper(%s)", (like,)),
        ("jobs_jobrevision WHERE ref = %s", (word,)),
    ]
    if word.isdecimal() and len(word) < 19:
        places.append(("jobs_job WHERE id = %s", (int(word),)))
    if SHORTEST_COMMIT <= len(word) <= LONGEST_COMMIT:
        commit = f"{connection.ops.prep_for_like_query(word.lower())}%"
        places.append(("jobs_jobrevision WHERE sha LIKE %s", (commit,)))
    pieces = [
        f"(SELECT {'job_id' if place.startswith('jobs_jobrevision') else 'id'} FROM {place} LIMIT {MOST + 1})"
        for place, _values in places
    ]
    # One text: three thousand rows take longer to fetch than to find.
    statement = (
        f"SELECT CASE WHEN ({_OF_NEWEST}) < {MANY_OF_NEWEST} THEN ("
        f"SELECT CASE WHEN count(*) <= {MOST} THEN coalesce(string_agg(DISTINCT id::text, ' '), '') END "
        f"FROM ({' UNION ALL '.join(pieces)}) AS found(id)) END"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [like, like, *(value for _place, values in places for value in values)])
        (numbers,) = cursor.fetchone()
    return None if numbers is None else sorted(map(int, numbers.split()))
