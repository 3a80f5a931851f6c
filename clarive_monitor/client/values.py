"""Kinds of values on the command line: moments, durations, variables."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN: Final = re.compile(r"(\d{1,9})([smhd])")
_VARIABLE: Final = re.compile(r"([^\s=:]+)(:?=)(.*)", re.DOTALL)


class Moment(click.ParamType[str]):
    """A time in ISO 8601, in this machine's zone when it names none, or relative to now."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the moment as the API takes it."""
        text = str(value).strip()
        if text == "now":
            return _written(datetime.now(UTC))
        if text[:1] in "+-" and (match := _SPAN.fullmatch(text[1:])):
            span = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
            try:
                return _written(datetime.now(UTC) + (span if text[0] == "+" else -span))
            except OverflowError:
                self.fail(f"{text} is too far away.", param, ctx)
        try:
            return _written(datetime.fromisoformat(text).astimezone(UTC))
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{text} is no time. Write 2026-03-01T10:00, 2026-03-01T10:00:00Z, +2h, -1d or now.",
                param,
                ctx,
            )


class Span(click.ParamType[float]):
    """A duration: ``90s``, ``15m``, ``2h``, ``1d``, or seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        if match := _SPAN.fullmatch(text):
            return float(int(match[1]) * _UNITS[match[2]])
        if text.isascii() and text.isdecimal() and len(text) < 10:
            return float(text)
        self.fail(f"{text} is no duration. Write 90s, 15m, 2h or 1d.", param, ctx)


class Variable(click.ParamType[tuple[str, Any]]):
    """``name=text`` or ``name:=JSON``."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return name and value."""
        if isinstance(value, tuple):
            return value
        match = _VARIABLE.fullmatch(str(value))
        if match is None:
            self.fail(f"{value} is no variable. Write name=text, or name:=JSON for other values.", param, ctx)
        name, sign, text = match.groups()
        if sign == "=":
            return name, text
        try:
            return name, json.loads(text)
        except ValueError as error:
            self.fail(f"{name}: this is not JSON: {error}", param, ctx)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


MOMENT: Final = Moment()
SPAN: Final = Span()
VARIABLE: Final = Variable()
