"""Reading what a job carries, for those who show it."""

from __future__ import annotations

from typing import Final

from django.db.models import F, Func, JSONField, QuerySet

from jobs.models import Contents, Job

_LISTS: Final = ("commits", "backed_out")


def contents_of(job: Job) -> Contents | None:
    """Return what was settled of ``job``, with the job that it was compared with; ``None`` while nothing is."""
    return _of(job).first()


def beginning_of(job: Job, most: int) -> Contents | None:
    """Return the same with at most ``most`` commits in either list; the others are not read."""
    cut = {f"first_{name}": _beginning(name, most) for name in _LISTS}
    found = _of(job).defer(*_LISTS).annotate(**cut).first()
    if found is not None:
        for name in _LISTS:
            setattr(found, name, getattr(found, f"first_{name}"))
    return found


def _of(job: Job) -> QuerySet[Contents]:
    unread = [
        f"base_job__{field.name}" for field in Job._meta.concrete_fields if field.name not in {"id", "name"}
    ]
    return Contents.objects.filter(job=job).select_related("base_job").defer(*unread)


def _beginning(name: str, most: int) -> Func:
    template = f"jsonb_path_query_array(%(expressions)s, '$[0 to {most - 1}]')"
    return Func(F(name), template=template, output_field=JSONField())
