"""Static files as the web server of ``make run`` answers with them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.http import FileResponse
from django.test import AsyncClient, Client
from pytest_django import Settings

CONTENT = b"0123456789" * 20_000


@pytest.fixture(autouse=True)
def collected(tmp_path: Path, settings: Settings) -> None:
    settings.STATIC_ROOT = str(tmp_path)
    (tmp_path / "page.css").write_bytes(CONTENT)


def fetch(**headers: str) -> tuple[Any, list[bytes]]:
    """Return the answer and its pieces; a warning of Django is an error."""

    async def ask() -> tuple[Any, list[bytes]]:
        answer: Any = await AsyncClient().get("/static/page.css", headers=headers)
        # The client takes the body of a 304 away, as a server does.
        pieces = [piece async for piece in answer] if answer.status_code < 300 else []
        answer.close()
        return answer, pieces

    return asyncio.run(ask())


def test_a_file_is_served_in_pieces_without_being_read_as_a_whole() -> None:
    answer, pieces = fetch()
    assert (answer.status_code, answer["Content-Type"]) == (200, 'text/css; charset="utf-8"')
    assert b"".join(pieces) == CONTENT
    assert len(pieces) > 1


def test_a_part_and_a_file_that_the_reader_has_are_served_too() -> None:
    answer, pieces = fetch(range="bytes=5-9")
    assert (answer.status_code, b"".join(pieces)) == (206, b"56789")
    answer, _ = fetch(**{"if-modified-since": answer["Last-Modified"]})
    assert answer.status_code == 304


@pytest.mark.django_db
def test_the_other_kind_of_server_gets_the_same() -> None:
    answer: Any = Client().get("/static/page.css")
    assert isinstance(answer, FileResponse)
    assert answer.getvalue() == CONTENT
    answer.close()
