"""What the engine says, in the reader's language; its words are collected from where it says them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from jobs.wording import translated
from rules.engine.call import Deadline
from rules.engine.frames import timed_out

ROOT = Path(settings.BASE_DIR)
PLACES = (
    "rules/palette",
    "rules/processes",
    "rules/engine/frames.py",
    "rules/engine/call.py",
    "jobs/contents",
    "jobs/git.py",
    "jobs/repositories.py",
)
ERRORS = {
    "OperationFailed", "TimedOut", "CommandNotStarted", "LauncherLost", "RepositoryError", "UnknownRef", "GitStopped",
    "NotADuration",
}  # fmt: skip

PASSED_ON = {"7: 7", "items: 7", "when: 7", "items: 7 gives no list but 7."}
"""Where it was, and the words of others, which tests/unit/rules/test_engine_words.py collects."""


def said_by(source: str) -> Iterator[str]:
    """Yield the messages of errors that the source makes, with ``7`` for whatever is filled in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS and node.args:
            yield from words_of(node.args[0])
        elif isinstance(node, ast.FunctionDef) and node.name == "_reason":
            for table in (part for part in ast.walk(node) if isinstance(part, ast.Dict)):
                for message in table.values:
                    yield from words_of(message)


def refused_by(source: str) -> Iterator[str]:
    """Yield the messages beside fields that the source makes: ``["…"]`` in a mapping."""
    for node in ast.walk(ast.parse(source)):
        values = (
            node.values
            if isinstance(node, ast.Dict)
            else [node.value]
            if isinstance(node, ast.Assign)
            else []
        )
        for value in values:
            for message in value.elts if isinstance(value, ast.List) else []:
                yield from (text for text in words_of(message) if text.endswith("."))


def words_of(message: ast.expr) -> Iterator[str]:
    if isinstance(message, ast.Constant):
        yield str(message.value)
    elif isinstance(message, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in message.values)


def said() -> list[str]:
    found: set[str] = set()
    for place in map(ROOT.joinpath, PLACES):
        for path in place.rglob("*.py") if place.is_dir() else [place]:
            found.update(said_by(path.read_text()))
    for path in (ROOT / "jobs" / "actions").glob("*.py"):
        if path.name not in {"catalogue.py", "lookup.py"}:
            found.update(refused_by(path.read_text()))
    return sorted(found - PASSED_ON)


def test_the_engine_s_words_are_found() -> None:
    found = said()
    assert "The command ended with return code 7." in found
    assert "Command not found: 7" in found
    assert "The time limit of 7 ran out." in found
    assert "Say why: a rejection needs a comment." in found
    assert len(found) > 60


@pytest.mark.parametrize("text", said())
def test_every_message_of_the_engine_has_a_spanish_one(text: str) -> None:
    with translation.override("es"):
        assert translated(text) != text


@pytest.mark.parametrize(
    ("english", "spanish"),
    {
        "The command ended with return code 1.": "El comando terminó con el código de retorno 1.",
        "The command was ended by SIGKILL.": "El comando terminó por la señal SIGKILL.",
        "Command not found: make": "No se encuentra el comando: make",
        "/srv/jobs/7 is not a directory.": "/srv/jobs/7 no es un directorio.",
        "git could not be started on the worker's machine: Command not found: git":
            "No se pudo arrancar git en la máquina del worker: No se encuentra el comando: git",
        "The worker jobs@here/12 is gone: its lease ran out at 08:14:22 UTC.":
            "El worker jobs@here/12 ha desaparecido: su reserva venció a las 08:14:22 UTC.",
        "It had not begun RUN by its max start date, 2026-11-23 08:00:00 UTC.":
            "No había comenzado RUN en su max fecha de inicio, 2026-11-23 08:00:00 UTC.",
        "when: The name 'x' is not known here.": "when: El nombre 'x' no se conoce aquí.",
        "items: It divides by zero.": "items: Divide entre cero.",
        "The repository cannot be read: There is no commit 'f' in 100%s.":
            "No se puede leer el repositorio: No hay ningún commit 'f' en 100%s.",
        "Trapped: The command ended with return code 1.": "Capturado: El comando terminó con el código de retorno 1.",
        "The command ended with return code 1. Undoing failed: Command not found: make":
            "El comando terminó con el código de retorno 1. Falló el rollback: No se encuentra el comando: make",
        "Waits for approval: 1 of 2 signatures.": "Espera aprobación: 1 de 2 firmas.",
        "Waits for a slot of the semaphore deploy-PROD, held by N.PROD-1, N.PROD-2.":
            "Espera una plaza del semáforo deploy-PROD, ocupado por N.PROD-1, N.PROD-2.",
        "Waits for a slot of the semaphore deploy-PROD.": "Espera una plaza del semáforo deploy-PROD.",
        "Rejected by eva: not today": "Rechazado por eva: not today",
        "RUN has not reached an operation 'x' in attempt 2.": "RUN no ha llegado a ninguna operación 'x' en el intento 2.",
        "Cancelled by op.": "Cancelado por op.",
        "The trap's time ran out: abort.": "Se agotó el tiempo de la captura: abortar.",
        "No se puede: 100 % manual": "No se puede: 100 % manual",
        "Only tags go to PROD": "Only tags go to PROD",
        "": "",
    }.items(),
)  # fmt: skip
def test_known_messages_are_translated_and_others_stay(english: str, spanish: str) -> None:
    with translation.override("es"):
        assert translated(english) == spanish
    with translation.override("en"):
        assert translated(english) == english


def test_what_the_engine_really_says_is_known() -> None:
    failure = timed_out(Deadline(at=None, owner="RUN/0", limit="5m"))  # type: ignore[arg-type]
    with translation.override("es"):
        assert translated(failure.message) == "Se agotó el límite de tiempo de 5m."
