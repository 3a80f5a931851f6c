"""The search box's language: ``status:error -rule:web created>2026-01-01 ana "two words"``, read and printed. Pure.

What it says are the parameters of the page's address, so there is one filter and two ways to write it. Names of fields and
statuses are understood in Spanish and in English, whatever language the reader has; accents and letters' case do not matter.
They are printed in the reader's language, and the address is the same for all. Sides of dates are those of the parameters:
``>`` and ``>=`` are both *at or after*, ``<`` is *before*; ``:`` with a date alone is that whole day.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from enum import Enum
from typing import Final

from jobs.search_words import quoted, split

LONGEST: Final = 1000
"""So many letters of text are read."""

FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "status": ("status", "estado"),
    "environment": ("environment", "entorno", "env"),
    "project": ("project", "proyecto"),
    "nature": ("nature", "naturaleza"),
    "rule": ("rule", "regla"),
    "type": ("type", "tipo"),
    "step": ("step", "paso"),
    "created_by": ("user", "usuario", "created_by"),
}
"""Parameters with values: the English word, the Spanish word, and others that are understood."""

DATES: Final[dict[str, tuple[str, ...]]] = {
    "created": ("created", "creado"),
    "scheduled": ("scheduled", "planificado"),
    "started": ("started", "inicio", "iniciado"),
    "finished": ("finished", "fin", "finalizado"),
}
"""Parameters ``…_after`` and ``…_before``, likewise."""

VALUES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "status": {
        "ready": ("ready", "listo"),
        "running": ("running", "ejecutando"),
        "pending_approval": (
            "pending_approval",
            "pendiente",
            "pending",
            "pendiente_de_aprobacion",
            "waiting_for_approval",
        ),
        "trapped": ("trapped", "capturado"),
        "trap_paused": ("trap_paused", "capturado_en_pausa", "en_pausa"),
        "rollback": ("rollback", "rollback"),
        "rejected": ("rejected", "rechazado"),
        "expired": ("expired", "expirado"),
        "abend": ("abend", "abend"),
        "cancelled": ("cancelled", "cancelado", "canceled"),
        "error": ("error", "error"),
        "finished": ("finished", "finalizado"),
    },
    "type": {
        "promote": ("promote", "promocion", "promover"),
        "static": ("static", "estatico"),
        "demote": ("demote", "marcha_atras", "despromocion"),
    },
    "step": {step: (step, step) for step in ("INIT", "PRE", "RUN", "POST", "END")},
}
"""Values that are fixed, likewise; any other value is taken as it is written."""

_LANGUAGES: Final = ("en", "es")
_FIELD: Final = re.compile(r"(-?)([^\W\d]\w*)(>=|<=|:|=|>|<)")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE: Final = re.compile(r'[^\s",]+')
_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"(?=\s|\Z)|\S+')
_PLAIN_VALUE: Final = re.compile(r'[^\s",\\]+\Z')
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d\Z")


class Fault(Enum):
    """What can be wrong with a piece of a search."""

    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_VALUE = "unknown_value"
    NO_VALUE = "no_value"
    NOT_A_DATE_FIELD = "not_a_date_field"
    NOT_NEGATABLE = "not_negatable"
    NOT_TO_THE_END = "not_to_the_end"
    TWICE = "twice"
    TOO_LONG = "too_long"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong.

    Attributes:
        fault: What.
        piece: The piece of the text, as it was typed.
        name: The field or value that is meant.
        near: What was perhaps meant, empty when nothing is near.
        field: The parameter whose value it is, empty for fields.
    """

    fault: Fault
    piece: str
    name: str = ""
    near: str = ""
    field: str = ""


class QueryTextError(ValueError):
    """A search that cannot be read; ``mistakes`` has all that is wrong."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(", ".join(f"{mistake.fault.value}: {mistake.piece}" for mistake in mistakes))
        self.mistakes = tuple(mistakes)


def parse(text: str, language: str = "en") -> dict[str, list[str]]:
    """Return the parameters that ``text`` says, each with its values in the order of the text.

    Args:
        text: As typed.
        language: Of the reader, ``en`` or ``es``: what is near is suggested in it.

    Raises:
        QueryTextError: Names every piece that cannot be read.
    """
    if len(text) > LONGEST:
        raise QueryTextError([Mistake(Fault.TOO_LONG, text[:20] + "…")])
    reading = _Reading(language)
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        position = reading.take(text, position)
    if reading.words:
        reading.found["q"] = [" ".join(reading.words)]
    if reading.mistakes:
        raise QueryTextError(reading.mistakes)
    return reading.found


def render(parameters: Mapping[str, Sequence[str]], language: str = "en") -> str:
    """Return the text that says ``parameters``, those of the filter alone; ``parse`` reads it back to the same.

    Args:
        parameters: Values by name, as in an address.
        language: Of the reader.
    """
    pieces = []
    for sign, prefix in (("", ""), ("-", "exclude_")):
        for name in FIELDS:
            values = [value for value in parameters.get(f"{prefix}{name}", ()) if value]
            if values:
                written = ",".join(_written(_word(name, value, language)) for value in values)
                pieces.append(f"{sign}{field_word(name, language)}:{written}")
    for name in DATES:
        for side, sign in (("after", ">="), ("before", "<")):
            pieces += [
                f"{field_word(name, language)}{sign}{_written(value)}"
                for value in parameters.get(f"{name}_{side}", ())
                if value
            ]
    pieces += [_text(word) for value in parameters.get("q", ()) for word in split(value)]
    return " ".join(pieces)


def field_word(name: str, language: str) -> str:
    """Return how a field is called in ``language``."""
    return words_of(name)[_place(language)]


def field_of(word: str) -> str:
    """Return the field that ``word`` names in any language, an empty text when it names none."""
    return _FIELD_OF.get(folded(word), "")


def words_of(name: str) -> tuple[str, ...]:
    """Return all words by which a field is understood."""
    return ({**FIELDS, **DATES})[name]


def value_word(name: str, value: str, language: str) -> str:
    """Return how a value of the field ``name`` is written after its colon in ``language``."""
    return _written(_word(name, value, language))


def folded(word: str) -> str:
    """Return ``word`` without accents and capital letters."""
    apart = unicodedata.normalize("NFD", word.lower())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def near_to(word: str, choices: Iterable[str]) -> str:
    """Return the choice that is nearest to ``word``, an empty text when none is near."""
    plain = {folded(choice): choice for choice in choices}
    found = get_close_matches(folded(word), plain, n=1)
    return plain[found[0]] if found else ""


def _place(language: str) -> int:
    return _LANGUAGES.index(language) if language in _LANGUAGES else 0


_FIELD_OF: Final = {
    word: name for names in (FIELDS, DATES) for name, words in names.items() for word in words
}
_VALUE_OF: Final = {
    field: {folded(word): value for value, words in values.items() for word in words}
    for field, values in VALUES.items()
}


def _word(name: str, value: str, language: str) -> str:
    words = VALUES.get(name, {}).get(value)
    return words[_place(language)] if words else value


def _written(value: str) -> str:
    return value if _PLAIN_VALUE.match(value) else quoted(value)


def _text(word: str) -> str:
    """Return a word of free text so that it is read as such: what looks like anything else stands in quotation marks."""
    is_plain = _WORD.fullmatch(word) and not word.startswith(("-", '"')) and not _FIELD.match(word)
    return word if is_plain else quoted(word)


class _Reading:
    """The parameters found so far in a text, and what was wrong with it."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.found: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.mistakes: list[Mistake] = []

    def take(self, text: str, position: int) -> int:
        """Read the piece that begins at ``position`` and return where it ends."""
        field = _FIELD.match(text, position)
        if field is None:
            word = _WORD.match(text, position)
            assert word is not None
            self._text(word[0])
            return word.end()
        values, end = _values(text, field.end())
        piece = text[position:end]
        negated, name, sign = field.groups()
        parameter = _FIELD_OF.get(folded(name))
        if parameter is None:
            words = [words[_place(self.language)] for words in (*FIELDS.values(), *DATES.values())]
            self._wrong(Fault.UNKNOWN_FIELD, piece, name, near_to(name, words))
        elif not any(values):
            self._wrong(Fault.NO_VALUE, piece, name)
        elif parameter in DATES:
            self._date(piece, parameter, sign, values, negated=bool(negated))
        elif sign not in {":", "="}:
            self._wrong(Fault.NOT_A_DATE_FIELD, piece, name)
        else:
            self._field(piece, parameter, values, prefix="exclude_" if negated else "")
        return end

    def _wrong(self, fault: Fault, piece: str, name: str = "", near: str = "", field: str = "") -> None:
        self.mistakes.append(Mistake(fault, piece, name, near, field))

    def _text(self, word: str) -> None:
        if word.startswith("-") and len(word) > 1:
            self._wrong(Fault.NOT_NEGATABLE, word)
        elif not split(word):
            self._wrong(Fault.EMPTY, word)
        else:
            self.words.append(word)

    def _field(self, piece: str, name: str, values: list[str], prefix: str) -> None:
        kept = self.found.setdefault(f"{prefix}{name}", [])
        for value in filter(None, values):
            known = _VALUE_OF.get(name)
            meant = value if known is None else known.get(folded(value).replace(" ", "_"))
            if meant is None:
                words = [words[_place(self.language)] for words in VALUES[name].values()]
                self._wrong(Fault.UNKNOWN_VALUE, piece, value, near_to(value, words), name)
            elif meant not in kept:
                kept.append(meant)

    def _date(self, piece: str, name: str, sign: str, values: list[str], *, negated: bool) -> None:
        day = _day(values[0])
        if negated:
            self._wrong(Fault.NOT_NEGATABLE, piece, name)
        elif len(values) > 1:
            self._wrong(Fault.TWICE, piece, name)
        elif sign in {">", ">="}:
            self._bound(piece, f"{name}_after", values[0])
        elif sign == "<":
            self._bound(piece, f"{name}_before", values[0])
        elif day is None:
            self._wrong(Fault.NOT_TO_THE_END, piece, name)
        else:
            if sign != "<=":
                self._bound(piece, f"{name}_after", values[0])
            self._bound(piece, f"{name}_before", (day + timedelta(days=1)).isoformat())

    def _bound(self, piece: str, parameter: str, value: str) -> None:
        if parameter in self.found:
            self._wrong(Fault.TWICE, piece, parameter)
        self.found[parameter] = [value]


def _day(value: str) -> date | None:
    """Return the day that ``value`` is, ``None`` when it is no day, or the last there is."""
    if not _DAY.match(value):
        return None
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return None
    return found if found < date.max else None


def _values(text: str, position: int) -> tuple[list[str], int]:
    """Return the values that begin at ``position``, with commas between them, and where they end."""
    values: list[str] = []
    while True:
        marked = _QUOTED.match(text, position)
        bare = None if marked else _BARE.match(text, position)
        match = marked or bare
        if match is not None:
            values.append(re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL) if marked else match[0])
            position = match.end()
        if not text.startswith(",", position):
            return values, position
        position += 1
