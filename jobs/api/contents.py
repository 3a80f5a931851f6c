"""What a job carries: commits, natures, and with what it was compared."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import selectors
from jobs.api.views import user_of
from jobs.contents.reading import contents_of
from jobs.models import Contents, Job
from jobs.representation import instant


class ContentsView(APIView):
    """``jobs/{id}/contents/``."""

    def get(self, request: Request, job_id: int) -> Response:
        """Return what the job carries; ``state`` is null until it is settled, and for jobs without a repository."""
        job = selectors.visible_job(user_of(request), job_id)
        return Response(represent_contents(job, contents_of(job) or Contents()))


def represent_contents(job: Job, contents: Contents) -> dict[str, Any]:
    """Return what ``job`` carries; an empty ``contents`` stands for what is not settled."""
    base_job = contents.base_job
    base = {
        "sha": contents.base_sha,
        "job": base_job.pk if base_job else None,
        "job_name": base_job.name if base_job else None,
    }
    return {
        "state": contents.state or None,
        "attempt": contents.attempt,
        "settled_at": instant(contents.settled_at),
        "problem": contents.problem.replace("\n", " "),
        "base": base if contents.base_sha else None,
        "files": contents.files if contents.state else None,
        "all_files": contents.are_all if contents.state else None,
        "natures": [nature.code for nature in job.natures.all()],
        "commits": contents.commits,
        "commits_count": contents.commits_count,
        "backed_out": contents.backed_out,
        "backed_out_count": contents.backed_out_count,
        "moved": contents.moved,
    }
