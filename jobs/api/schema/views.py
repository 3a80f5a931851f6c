"""``/api/schema/`` and ``/api/docs/``: for everybody, since they name no data of this installation."""

from __future__ import annotations

import functools
import json
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from drf_spectacular.renderers import OpenApiYamlRenderer2
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from jobs.api.schema.document import document
from jobs.api.schema.reference import reference

YAML: Final = "application/yaml"


class YamlRenderer(OpenApiYamlRenderer2):
    """Stands for YAML when the answer's form is chosen, and writes it."""

    media_type = YAML
    format = "yaml"


class SchemaView(APIView):
    """``/api/schema/``."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    renderer_classes = (JSONRenderer, YamlRenderer)

    def get(self, request: Request) -> HttpResponse:
        """Return this description of the API: JSON, or YAML when ``Accept`` asks for it."""
        media = request.accepted_renderer.media_type
        headers = {"Vary": "Accept", "Cache-Control": "no-cache"}
        return HttpResponse(_written(media), content_type=media, headers=headers)


@functools.cache
def _written(media: str) -> bytes:
    """Return the document as text in one form."""
    if media == YAML:
        written: bytes = YamlRenderer().render(document(), renderer_context={})  # type: ignore[no-untyped-call]
        return written
    return json.dumps(document(), ensure_ascii=False, indent=1).encode()


@require_safe
@vary_on_headers("Cookie")
def docs(request: HttpRequest) -> HttpResponse:
    """Show the description to people: plain pages, without scripts and without the network."""
    root = request.build_absolute_uri("/").rstrip("/")
    context = {"reference": reference(), "root": root, "section": "api"}
    return render(request, "monitor/api.html", context)
