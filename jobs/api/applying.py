"""``apply/``: configuration from documents over HTTP, by the code behind ``manage.py apply``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from django.http import HttpResponse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.acting import Author, acting
from jobs.api.errors import problem
from jobs.api.parsing import Flag, PlainObject, StrictSerializer, Text
from jobs.api.views import actor_of
from jobs.configuration.apply import apply_documents
from jobs.configuration.documents import Source
from jobs.configuration.kinds.rules import named_files
from rules.api.views import ReadOrAdministrator

MOST_DOCUMENTS: Final = 100
LONGEST_FILE: Final = 1_000_000
"""Characters of a rule, as for files of this machine."""


class Files(PlainObject):
    """Texts by name."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the texts."""
        if not isinstance(data, dict):
            self.fail("invalid")
        field = Text(trim_whitespace=False, allow_blank=True, max_length=LONGEST_FILE)
        errors = {}
        for name, text in data.items():
            try:
                field.run_validation(text)
            except ValidationError as error:
                errors[str(name)[:50]] = error.detail
        if errors:
            raise ValidationError(errors)
        return data


class DocumentSerializer(StrictSerializer):
    """``{name, text, files}``: a YAML document, and the files that it names, as text by name."""

    name = Text(max_length=500, required=False, default="document")
    text = Text(trim_whitespace=False, allow_blank=True)
    files = Files(required=False, default=dict)


class ApplySerializer(StrictSerializer):
    """The body of ``apply/``."""

    documents = serializers.ListField(
        child=DocumentSerializer(), allow_empty=False, max_length=MOST_DOCUMENTS
    )
    dry_run = Flag(required=False, default=False)
    prune = Flag(required=False, default=False)

    def validate_documents(self, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse two documents of one name: messages could not tell them apart."""
        names = [document["name"] for document in documents]
        if len(set(names)) < len(names):
            raise ValidationError("Give each document a name of its own.")
        return documents


class ApplyView(APIView):
    """``apply/``."""

    permission_classes = (ReadOrAdministrator,)
    body: ClassVar[type[StrictSerializer]] = ApplySerializer

    def post(self, request: Request) -> Response | HttpResponse:
        """Make the configuration what the documents say, all of it or nothing, and say what that changed."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        sources = [_source(document) for document in asked["documents"]]
        if missing := _missing(sources):
            return _files_missing(missing)
        notes: list[str] = []
        changes = apply_documents(
            sources,
            now=timezone.now(),
            prune=asked["prune"],
            dry_run=asked["dry_run"],
            author=_author(request),
            notes=notes,
        )
        return Response({"dry_run": asked["dry_run"], "changes": changes, "notes": notes})


def _source(document: Mapping[str, Any]) -> Source:
    return Source(document["name"], document["text"], Path(), document["files"])


def _author(request: Request) -> Author:
    actor = actor_of(request)
    return acting.get() or Author(actor.user.get_username(), actor.source, actor.address)


def _missing(sources: list[Source]) -> list[dict[str, Any]]:
    """Return which files the documents name that did not come with them."""
    return [
        {"document": place, "file": name}
        for place, source in enumerate(sources)
        for name in named_files(source)
        if name not in (source.files or {})
    ]


def _files_missing(missing: list[dict[str, Any]]) -> HttpResponse:
    """Return the answer that names them, by the document's place in the body, so that they can be sent along."""
    errors = [
        {"field": f"documents[{each['document']}].files", "message": f"The file {each['file']} is not here."}
        for each in missing
    ]
    detail = "Send the files that the documents name along with them."
    return problem(400, "files_missing", detail, files=missing, errors=errors)
