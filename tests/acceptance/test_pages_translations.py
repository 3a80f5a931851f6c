"""Section 9: Spanish is complete and says the product document's words; English is what the code says."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from axes.models import AccessAttempt, AccessAttemptExpiration, AccessFailureLog, AccessLog
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.translation.template import templatize

from clarive_monitor.voice import MESSAGES

ROOT: Final = Path(settings.BASE_DIR)
CATALOGUE: Final = ROOT / "locale" / "es" / "LC_MESSAGES"
APPS: Final = ("clarive_monitor", "jobs", "permissions", "rules")

Key = tuple[str, str]
"""Context, empty without one, and message."""

_PLAIN: Final = {"gettext", "gettext_lazy", "gettext_noop", "_"}
_PLURAL: Final = {"ngettext", "ngettext_lazy"}
_CONTEXT: Final = {"pgettext", "pgettext_lazy"}


def in_code(source: str) -> Iterator[Key]:
    """Yield the messages of Python code, or of what ``templatize`` makes of a template."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = [
            word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)
        ]
        if name in _PLAIN | _PLURAL and words:
            yield "", words[0]
        elif name in _CONTEXT and len(words) > 1:
            yield words[0], words[1]


def in_template(source: str) -> Iterator[Key]:
    """Yield the messages of a template. Around them ``templatize`` leaves no valid Python, so calls are cut out."""
    calls = re.finditer(
        r"\b(n?p?gettext|_)\((?:u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\"|\s|,|[\w.]+)+\)",
        templatize(source),
    )
    for call in calls:
        yield from in_code(re.sub(r",\s*count\)", ", 1)", call.group()))


def messages() -> dict[Key, str]:
    """Return every message of the product with one place where it is used."""
    found: dict[Key, str] = {}
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            found |= {key: str(path.relative_to(ROOT)) for key in in_code(path.read_text())}
    for folder in (ROOT / "templates", *(ROOT / app for app in APPS)):
        for path in folder.rglob("*.html"):
            found |= {key: str(path.relative_to(ROOT)) for key in in_template(path.read_text())}
    return found


@pytest.fixture(scope="module")
def spanish() -> dict[Key, str]:
    """The compiled catalogue, which is what people get."""
    with (CATALOGUE / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    found: dict[Key, str] = {}
    for key, text in compiled._catalog.items():  # type: ignore[attr-defined]  # there is no other way to list it
        message = key[0] if isinstance(key, tuple) else key
        context, _sign, plain = message.rpartition("\x04")
        # Of a plural the singular comes first and stands for all.
        found.setdefault((context, plain), text)
    return found


def test_the_search_for_messages_finds_them() -> None:
    found = messages()
    assert ("", "Waiting for approval") in found
    assert ("operation", "Failed, ignored") in found
    assert ("form", "Cancel") in found
    assert ("", "%(n)d day") in found
    assert ("", "Times are in your zone, %(zone)s.") in found
    assert ("", "%(counter)s line left out") in found
    assert len(found) > 250


def test_every_message_is_translated(spanish: dict[Key, str]) -> None:
    missing = {key: place for key, place in messages().items() if not spanish.get(key)}
    assert not missing


def test_no_translation_is_left_of_a_message_that_is_gone(spanish: dict[Key, str]) -> None:
    assert not set(spanish) - set(messages()) - {("", "")}


def test_the_compiled_catalogue_is_that_of_the_source(spanish: dict[Key, str]) -> None:
    source = (CATALOGUE / "django.po").read_text()
    assert "fuzzy" not in source
    entries = re.findall(
        r'(?:^msgctxt (".*")\n)?^msgid (".+")\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? (".+")$',
        source,
        re.MULTILINE,
    )
    written = {
        (ast.literal_eval(context or '""'), ast.literal_eval(plain)): ast.literal_eval(text)
        for context, plain, text in entries
    }
    written.pop(("", ""), None)
    assert written == {key: text for key, text in spanish.items() if key != ("", "")}


@pytest.mark.parametrize(
    ("message", "word"),
    {
        "Ready": "Listo", "Running": "Ejecutando", "Waiting for approval": "Pendiente de aprobación", "Rejected": "Rechazado",
        "Expired": "Expirado", "Abend": "Abend", "Rollback": "Rollback", "Finished": "Finalizado", "Error": "Error",
        "Cancelled": "Cancelado", "Trapped": "Capturado", "Trap paused": "Capturado en pausa", "Start date": "Fecha de inicio",
        "End date": "Fecha de fin", "Scheduled date": "Fecha planificada", "Max start date": "Max fecha de inicio",
        "Rerun": "Reiniciar", "Reschedule": "Replanificar", "Run now": "Ejecutar ahora", "Jobs": "Pases", "Daemon": "Demonio",
        "Approve any job, even when not in the approval list":
            "Permite aprobar cualquier pase, aunque no esté en la lista de aprobación",
    }.items(),
)  # fmt: skip
def test_spanish_says_the_words_of_the_product_document(
    spanish: dict[Key, str], message: str, word: str
) -> None:
    assert spanish["", message] == word


def test_no_translation_loses_or_adds_a_placeholder(spanish: dict[Key, str]) -> None:
    def holes(text: str) -> set[str]:
        return set(re.findall(r"%\(\w+\)\d*\w|\{\w+\}", text))

    assert not {key: text for key, text in spanish.items() if key[1] and holes(key[1]) != holes(text)}


def test_spanish_says_tu(spanish: dict[Key, str]) -> None:
    formal = re.compile(
        r"\b(usted|escriba|indique|elija|mire|(?:inténte|bórre|cámbie)lo|borre|lo recibe|podrá intentarlo|revise|avise"
        r"|pregunte|copie|inicie|sus demás|(?:su|de su) (?:cuenta|propia|contraseña)|¿ha|haya olvidado|con la suya)\b",
        re.IGNORECASE,
    )
    assert not {key: text for key, text in spanish.items() if key[1] and formal.search(text)}
    assert not {key: text for key, text in spanish.items() if re.search(r"\b[A-Z][a-z]%\(", text)}, (
        "a space lacks"
    )


def test_words_of_other_apps_are_named_here(spanish: dict[Key, str]) -> None:
    for model in (AccessAttempt, AccessAttemptExpiration, AccessFailureLog, AccessLog):
        for words in (model._meta.verbose_name, model._meta.verbose_name_plural):
            with translation.override(None):
                assert spanish.get(("", str(words))), words


def test_django_s_own_messages_are_said_in_the_product_s_voice() -> None:
    formal = re.compile(
        r"\b(introduzca|ingrese|seleccione|aseg[uú]rese|por favor|corrija|env[ií]e|usted|su contraseña)\b",
        re.I,
    )
    with translation.override("es"):
        assert not [str(message) for message in MESSAGES if formal.search(str(message))]
        for form, data in (
            (forms.EmailField(), "x"),
            (forms.IntegerField(max_value=3), "7"),
            (forms.CharField(max_length=2), "abc"),
        ):
            with pytest.raises(ValidationError) as refused:
                form.clean(data)
            assert not formal.search(refused.value.messages[0])
