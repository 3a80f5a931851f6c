"""What one row of the table of operations says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from rest_framework import serializers

Answer = type[serializers.Serializer[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address.

    Attributes:
        id: ``operationId``: what generated clients call it.
        summary: A few words.
        text: What it does, where the method's own words do not say it.
        answer: Shape of the answer, ``None`` when it has no body or is no JSON.
        page: Whether the answer is a page of such shapes.
        status: When it goes well.
        also: Other statuses with the same shape, each with a sentence.
        codes: Refusals that are its own; those that follow from its form need not be given.
        media: Schemas of an answer that has other forms than JSON, by media type.
        lasts: Whether the answer is sent piece by piece, so that it has no ETag.
        probe: Whether it is for whatever watches over the installation: it counts nobody, and refuses neither parameters
            nor forms.
        tag: What it is listed under; the first part of the address when not given.
        headers: Of the answer when it goes well: a sentence by name.
    """

    id: str
    summary: str
    answer: Answer | None = None
    page: bool = False
    status: int = 200
    also: dict[int, str] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    media: dict[str, dict[str, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    lasts: bool = False
    probe: bool = False
    tag: str = ""


LOCATION: Final = {"Location": "Address of what was made."}
