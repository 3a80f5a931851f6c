"""The floor's web side: the smallest POST that keeps what it was told and passes it on."""

import os

import django
from django.core.asgi import get_asgi_application
from django.db import connection
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.floor.settings")
django.setup(set_prefix=False)

from bench.floor import work  # noqa: E402 - it needs Django to be set up


def _insert() -> int:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO floor_job (status) VALUES ('ready') RETURNING id")
        row = cursor.fetchone()
        return int(row[0])


class JobsView(APIView):
    """``jobs/``."""

    def get(self, request: Request) -> Response:
        """Say that the server is there."""
        return Response({})

    def post(self, request: Request) -> Response:
        """Insert a job and send its task."""
        job_id = _insert()
        work.app.send_task("floor.job", args=(job_id,), queue=work.QUEUE, ignore_result=True)
        return Response({"id": job_id, "asked": dict(request.data)}, status=201)


class BareView(APIView):
    """``bare/``: the POST alone."""

    def post(self, request: Request) -> Response:
        """Insert a job."""
        return Response({"id": _insert(), "asked": dict(request.data)}, status=201)


class NothingView(APIView):
    """``nothing/``: the task alone."""

    def post(self, request: Request) -> Response:
        """Send tasks that do nothing, and one that tells when they are over."""
        for _ in range(int(dict(request.data)["tasks"])):
            work.app.send_task("floor.nothing", queue=work.QUEUE, ignore_result=True)
        work.app.send_task("floor.mark", queue=work.QUEUE, ignore_result=True)
        return Response({}, status=201)


urlpatterns = [
    path("jobs/", JobsView.as_view()),
    path("bare/", BareView.as_view()),
    path("nothing/", NothingView.as_view()),
]
application = get_asgi_application()
